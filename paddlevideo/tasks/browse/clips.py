"""Some clips of a split, just as the model gets them in an epoch, turned back into pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from paddlevideo.loader.assemble import Assembler, Failure, Job
from paddlevideo.loader.batch import Batch
from paddlevideo.loader.class_names import ClassNames
from paddlevideo.loader.dataset import ListDataset
from paddlevideo.loader.pipelines.array import Normalization
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.loader.plan import plan_epoch, shuffle_rng
from paddlevideo.tasks.run import blank_clip, pipeline_of
from paddlevideo.tasks.schema import RootSection, Split
from paddlevideo.utils.errors import UserError


@dataclass(frozen=True)
class Shown:
    """A clip to show.

    Attributes:
        frames: [V, T, H, W, 3] RGB uint8: V views of T frames.
        labels: class ids.
        partner: class ids of the clip that is blended into it; None where none is.
        lam: the share of the clip itself, 0..1.
        index: position in the data set.
        path: of the file.
    """

    frames: np.ndarray
    labels: tuple[int, ...]
    partner: tuple[int, ...] | None
    lam: float
    index: int
    path: str


@dataclass(frozen=True)
class Choice:
    """Which clips.

    Attributes:
        split: of the config.
        count: how many at most.
        seed, epoch: of the training whose clips they are; also draw which clips are shown.
        label: of this class only; None for any.
        augmented: with the transforms and MIX; False: the sampled frames as they are in the video.
    """

    split: Split
    count: int
    seed: int
    epoch: int
    label: int | None
    augmented: bool


def choose(cfg: RootSection, choice: Choice) -> tuple[list[Shown], list[Failure]]:
    """The clips, and the files that could not be read on the way.

    In the order of the epoch of a training with this seed; with MIX they are rows of its batches.

    Raises:
        UserError: the split is missing from the config, or nothing can be shown.
    """
    spec = getattr(cfg.DATASET, choice.split)
    if spec is None:
        raise UserError(f"DATASET.{choice.split} is missing from the config; --split names another one")
    dataset: ListDataset = spec.build()
    dataset.on_error = "skip"  # what cannot be read is told, and the others are shown
    whole = pipeline_of(cfg, choice.split)
    pipeline = whole if choice.augmented else replace(whole, transform=[])
    mix = cfg.MIX if choice.split == "train" and choice.augmented else None
    assembler = Assembler(dataset, pipeline, choice.seed, training=False, mix=mix)
    failures: list[Failure] = []
    found: list[Shown] = []
    for indices in _batches(dataset, cfg.DATASET.batch_of(choice.split) if mix else 1, choice, bool(mix)):
        batch, failed = assembler.batch(Job(choice.epoch, indices))
        failures += failed
        if batch is not None:
            found += [one for one in rows(batch, pipeline) if _wanted(one, choice.label)]
        if len(found) >= choice.count:
            break
    if not found:
        raise UserError(_why_nothing(dataset, choice, failures))
    return found[: choice.count], failures


def _batches(dataset: ListDataset, size: int, choice: Choice, mixed: bool) -> Iterator[list[int]]:
    """The samples of each batch that has some of the class, in the order of the epoch."""
    order = shuffle_rng(choice.seed, choice.epoch)
    for indices in plan_epoch(len(dataset), size, order=order, drop_last=mixed):
        batch = indices.tolist()
        if choice.label is None or any(choice.label in _ids(dataset.clip(index).label) for index in batch):
            yield batch


def _ids(label: int | tuple[int, ...]) -> tuple[int, ...]:
    return label if isinstance(label, tuple) else (label,)


def _wanted(shown: Shown, label: int | None) -> bool:
    return label is None or label in (*shown.labels, *(shown.partner or ()))


def _why_nothing(dataset: ListDataset, choice: Choice, failures: list[Failure]) -> str:
    if failures:
        first = failures[0]
        more = f" ({len(failures)} files cannot be read)" if len(failures) > 1 else ""
        return f"{dataset.file_path}: nothing to show: {first.path}: {first.reason}{more}"
    return f"{dataset.file_path}: no clip of class {choice.label}; see --class"


def rows(batch: Batch, pipeline: Pipeline) -> list[Shown]:
    """The clips of a batch."""
    clip = blank_clip(pipeline)
    pixels = to_pixels(batch, pipeline, clip.layout)  # [B, V * T, H, W, 3]
    lam = float(batch.get("lam", 1.0))
    found = []
    for i, frames in enumerate(pixels):
        partner = _labels(batch["label_b"][i]) if "label_b" in batch else None
        views = frames.reshape(clip.views, -1, *frames.shape[1:])  # [V, T, H, W, 3]
        found.append(Shown(views, _labels(batch["label"][i]), partner, lam, int(batch["index"][i]), batch["files"][i]))
    return found


def _labels(of_row: np.ndarray) -> tuple[int, ...]:
    """Class ids; rows of multi-label data are filled up with -1."""
    return tuple(int(label) for label in np.atleast_1d(of_row) if label >= 0)


def to_pixels(batch: Batch, pipeline: Pipeline, layout: str) -> np.ndarray:
    """The frames of a batch [B, ...] in the order of axes `layout` -> [B, T, H, W, 3] RGB uint8.

    Pixels whose normalisation is left to the model are as they were; otherwise it is undone.
    """
    imgs: np.ndarray = batch["imgs"].transpose(0, *(1 + layout.index(axis) for axis in "thwc"))
    if imgs.dtype == np.uint8:
        return imgs
    normalize = [op for op in pipeline.transform if isinstance(op, Normalization)]
    if "scale" not in batch and normalize:
        normal = normalize[-1].normal
        imgs = (imgs * np.array(normal.std) + np.array(normal.mean)) * normal.unit
    return imgs.round().clip(0, 255).astype(np.uint8)


def find_class(wanted: str, names: list[str]) -> int:
    """The id that --class means: an id or a name. Raises UserError."""
    if wanted.isdecimal() and int(wanted) < len(names):
        return int(wanted)
    known = ClassNames(names, "the config")
    found = known.find(wanted)
    if found is None:
        raise UserError(f"--class {wanted}: {known.hint(wanted)}")
    return found


def name_with(names: list[str]) -> Callable[[tuple[int, ...]], str]:
    """Class ids -> what a caption says for them."""

    def text(labels: tuple[int, ...]) -> str:
        return ", ".join(names[label] if 0 <= label < len(names) else str(label) for label in labels) or "no class"

    return text
