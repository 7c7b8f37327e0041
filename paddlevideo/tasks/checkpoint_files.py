"""The names of a run's checkpoints, which of them are kept, and which one to resume from."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from paddlevideo.tasks.checkpoint import TrainState

KINDS = (".pdparams", ".pdopt")


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run: `directory/name_*`.

    Attributes:
        keep: how many that were written after epochs are kept; None: all.
    """

    directory: Path
    name: str
    keep: int | None = None

    def epoch(self, epoch: int) -> Path:
        """Prefix of the files written after the one-based `epoch`."""
        return self.directory / f"{self.name}_epoch_{epoch:05d}"

    def best(self, of: str = "") -> Path:
        """Prefix of the best model's files; `of`: those of its average ("ema"), or its student."""
        return self.directory / "_".join(filter(None, (self.name, "best", of)))

    def inside(self, state: TrainState) -> Path:
        """Prefix of the files written inside an epoch."""
        return self.directory / f"{self.name}_epoch_{state.epoch + 1:05d}_step_{state.step:06d}"

    def newest_first(self) -> list[Path]:
        """Prefixes of all resumable checkpoints, the furthest one first."""
        return [prefix for _, _, prefix in self._found()]

    def _found(self) -> list[tuple[tuple[int, int], bool, Path]]:
        """(epochs done, steps), whether it is one inside an epoch, prefix; the furthest first."""
        found = []
        for file in self.directory.glob(f"{self.name}_epoch_*.pdopt"):
            match = re.fullmatch(re.escape(self.name) + r"_epoch_(\d+)(?:_step_(\d+))?", file.stem)
            if match:
                epoch, step = int(match[1]), match[2]
                place = (epoch, 0) if step is None else (epoch - 1, int(step))
                found.append((place, step is not None, file.with_suffix("")))
        return sorted(found, reverse=True)

    def rotate(self) -> None:
        """Deletes what is not to be kept: epochs beyond `keep`, and inside epochs all but the last two in a row.

        Two, so that a newest one that turns out damaged loses no more than one interval.
        """
        epochs = 0
        for number, (_, inside, prefix) in enumerate(self._found()):
            epochs += not inside
            if number >= 2 if inside else self.keep is not None and epochs > self.keep:
                _delete(prefix)

    def finish(self) -> None:
        """At the end of a run: deletes those inside epochs, which the last one has made useless."""
        for _, inside, prefix in self._found():
            if inside:
                _delete(prefix)

    def forget_after(self, state: TrainState) -> None:
        """Deletes those beyond where a run stands: damaged ones it could not resume from, which it will write anew."""
        for place, _, prefix in self._found():
            if place > (state.epoch, state.step):
                _delete(prefix)

    def sweep(self) -> None:
        """Deletes what a killed process left half-written."""
        for file in self.directory.glob(f".{self.name}_*.tmp"):
            match = re.fullmatch(r".*\.(\d+)\.tmp", file.name)
            if match and not _alive(int(match[1])):
                file.unlink(missing_ok=True)


def _delete(prefix: Path) -> None:
    """The state first: a weight file alone is no checkpoint that one could resume from."""
    for kind in reversed(KINDS):
        Path(f"{prefix}{kind}").unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
