"""Samples that could not be read: counted once each over ranks, epochs and resumes, listed beside the checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from paddlevideo.loader.assemble import Failure
from paddlevideo.loader.dataloader import ClipLoader
from paddlevideo.loader.dataset import ListDataset
from paddlevideo.utils import dist, files
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger


def listing(output: Path, split: str) -> Path:
    """The file that lists what is unreadable of a split; there is none while nothing is."""
    return output / f"unreadable_{split}.txt"


def write_listing(path: Path, failures: Iterable[Failure]) -> None:
    """Writes lines `path tab reason` in the order of the data set; without failures, removes an earlier file."""
    found = sorted(failures, key=lambda item: item.index)
    rows = [(files.plain(item.path), " ".join(item.reason.split())) for item in found]
    if rows:
        files.write_text(path, "".join(f"{name}\t{reason}\n" for name, reason in rows))
    else:
        path.unlink(missing_ok=True)


def read_listing(path: Path, dataset: ListDataset) -> list[Failure]:
    """The samples of a data set that a listing names."""
    reasons = dict(line.split("\t", 1) for line in path.read_text(encoding="utf-8").splitlines() if "\t" in line)
    paths = ((index, dataset.clip(index).path) for index in range(len(dataset) if reasons else 0))
    names = ((index, path, files.plain(path)) for index, path in paths)
    return [Failure(path, reasons[name], index) for index, path, name in names if name in reasons]


@dataclass(frozen=True)
class Unread:
    """What the loaders of a run could not read.

    Each rank's loader knows what it met itself, and what all had met when `keep` was last called.

    Attributes:
        loaders: by split; that names the file.
        output: folder of the files. Further ranks write `.rank1` ... beside those of rank 0, where the run ends early.
    """

    loaders: Mapping[str, ClipLoader]
    output: Path

    def begin(self, resumed: bool) -> None:
        """Forgets what an earlier run listed; with `resumed`, counts it as met by this one."""
        for split, loader in self.loaders.items():
            for path in self._all(split):
                if resumed:
                    loader.remember(read_listing(path, loader.dataset))
                elif dist.rank() == 0:
                    path.unlink(missing_ok=True)

    def keep(self) -> None:
        """Tells all ranks what each has met, and writes it. All ranks must call this."""
        for split, loader in self.loaders.items():
            for part in dist.gather_objects(loader.failures):
                loader.remember(part)
            if dist.rank() == 0:
                write_listing(listing(self.output, split), loader.failures)

    def finish(self) -> None:
        """At the end of a run, on all ranks: says how many samples could not be read."""
        self.keep()
        if dist.rank() == 0:
            for split in self.loaders:
                for path in set(self._all(split)) - {listing(self.output, split)}:
                    path.unlink(missing_ok=True)
        self._say("")

    @contextmanager
    def kept_on_error(self) -> Iterator[None]:
        """Where the block ends early, writes and says what this rank has met; no other rank is asked."""
        try:
            yield
        except BaseException:
            rank = f".rank{dist.rank()}" if dist.rank() else ""
            for split, loader in self.loaders.items():
                path = listing(self.output, split)
                try:
                    write_listing(path.with_name(path.name + rank), loader.failures)
                except UserError as problem:  # the disk is full, say; what ends the run is told all the same
                    logger.info(str(problem))
            self._say(" so far")
            raise

    def _all(self, split: str) -> list[Path]:
        return sorted(self.output.glob(f"{listing(self.output, split).name}*"))

    def _say(self, how_far: str) -> None:
        for split, loader in self.loaders.items():
            count = len(loader.failures)
            where = f"; {listing(self.output, split)} lists them with the reasons" if count else ""
            logger.info(f"{count} of {len(loader.dataset)} {split} samples unreadable{how_far}{where}")
