"""The lists of a config, opened for the checks of data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.dataset import FrameDataset, ListDataset
from paddlevideo.loader.pipelines.decode import FrameDecoder
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.tasks.doctor.config_checks import SPLITS
from paddlevideo.tasks.doctor.finding import Finding, Level, error, note
from paddlevideo.tasks.run import multi_label, tested_spec
from paddlevideo.tasks.schema import RootSection
from paddlevideo.utils.errors import UserError


@dataclass(frozen=True)
class Entry:
    """A line of a list.

    Attributes:
        clip: not opened; its path is the file or the folder of frames.
        listed: the path as the list has it.
        labels: class ids: one, or for multi-label data any number.
        line: of the list; 0 where there is none.
        folder: whether it should be a folder of frames.
    """

    clip: Clip
    listed: str
    labels: tuple[int, ...]
    line: int
    folder: bool

    @property
    def place(self) -> str:
        """The same name for the same file, however it is written."""
        return os.path.abspath(self.clip.path)  # noqa: PTH100 - Path.resolve asks the disk about every part of it

    @property
    def piece(self) -> str:
        """The same name for the same file and the same part of it."""
        clip = self.clip
        return "\n".join(map(str, (self.place, clip.start, clip.end, clip.offset)))


@dataclass(frozen=True)
class SplitList:
    """The list of one split, or of two that read the same.

    Attributes:
        names: "train", "valid", "test".
        dataset: as the config describes it.
        entries: its lines.
        pipeline: what prepares its clips, if anything.
        suffix: of the config: the end of a video's path, or the name of a frame.
        batch_size, workers: of the loader.
        key: all that the config says of it; equal for equal lists.
    """

    names: list[str]
    dataset: ListDataset
    entries: list[Entry]
    pipeline: Pipeline | None
    suffix: str
    batch_size: int
    workers: int
    key: dict[str, Any]

    @property
    def name(self) -> str:
        return "/".join(self.names)

    @property
    def where(self) -> str:
        """For the report."""
        return f"DATASET.{self.name}"

    @property
    def broken(self) -> Level:
        """How bad a file is that cannot be read: where it is left out, the run goes on."""
        return "error" if self.dataset.on_error == "raise" else "warning"

    def at(self, entry: Entry) -> str:
        """A file and the line that lists it."""
        return f"{entry.clip.path} (line {entry.line})" if entry.line else entry.clip.path


def open_splits(cfg: RootSection) -> tuple[list[SplitList], list[Finding]]:
    """The lists that can be read, and what is wrong with the others."""
    opened: list[SplitList] = []
    found: list[Finding] = []
    for split in SPLITS:
        spec = getattr(cfg.DATASET, split)
        if spec is None:
            continue
        key = spec.plain()
        same = next((one for one in opened if split != "train" and one.names != ["train"] and one.key == key), None)
        if same is not None:
            same.names.append(split)
            found.append(note(f"DATASET.{split}", f"reads the same list as DATASET.{same.names[0]}"))
            continue
        try:
            dataset = spec.build()
        except UserError as faulty:
            text = "; ".join(str(faulty).splitlines())
            found.append(error(f"DATASET.{split}", text, "correct the list or its path; docs/data.md has the formats"))
            continue
        if dataset.multi_label and not multi_label(cfg):
            key = f"{tested_spec(cfg).path}.head.loss_cfg"
            fix = f"{key}: {{name: BinaryCrossEntropyLoss}} and METRIC: {{name: MultiLabelMetric}}"
            found.append(error(f"DATASET.{split}", "multi_label: True, but the model has one label a video", fix))
        pipeline = getattr(cfg.PIPELINE, split)
        opened.append(
            SplitList(
                [split],
                dataset,
                entries_of(dataset, pipeline),
                pipeline,
                suffix=spec.arguments.get("suffix") or "",
                batch_size=cfg.DATASET.batch_of(split),
                workers=cfg.DATASET.workers_of(split),
                key=key,
            )
        )
    return opened, found


def entries_of(dataset: ListDataset, pipeline: Pipeline | None) -> list[Entry]:
    """The lines of a list."""
    frames = isinstance(dataset, FrameDataset) if pipeline is None else isinstance(pipeline.decode, FrameDecoder)
    found = []
    for i, record in enumerate(dataset.records):
        clip = dataset.clip(i)
        labels = (clip.label,) if isinstance(clip.label, int) else tuple(clip.label)
        found.append(Entry(clip, record.path, labels, record.line, frames))
    return found
