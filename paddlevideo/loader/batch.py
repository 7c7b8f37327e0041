"""Clips joined into a batch: a dict of arrays. Runs in the worker processes, without Paddle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from paddlevideo.loader.clip import Clip, Label
from paddlevideo.loader.normal import Normal
from paddlevideo.loader.pipelines.mix import Mix
from paddlevideo.utils.errors import UserError

Batch: TypeAlias = dict[str, Any]


class Stack:
    """Clips on their way into a batch: each is written to its place when it is added.

    So frames that are still to be read are read then, and one goes all the way before the next.

    Args:
        room: how many clips the batch may get.

    Attributes:
        layout: of the clips.
    """

    def __init__(self, room: int) -> None:
        self._room, self.layout = room, ""
        self._imgs = np.empty(0, np.uint8)
        self._normal: Normal | None = None
        self._index: list[int] = []
        self._labels: list[Label] = []
        self._files: list[str] = []

    def __len__(self) -> int:
        return len(self._files)

    def add(self, index: int, clip: Clip) -> None:
        """Writes a clip, sample `index` of its data set, to the next place. One that fails leaves no trace.

        Raises:
            UserError: it has another shape than those before it.
            Unreadable: a frame cannot be read.
        """
        if not self._files:
            self._imgs, self._normal = np.empty((self._room, *clip.shape), clip.pixel_type), clip.normal
        elif clip.shape != self._imgs.shape[1:]:
            raise UserError(
                f"clips of one batch differ in shape: {self._files[0]} {self._imgs.shape[1:]}, {clip.path} "
                f"{clip.shape}; end the pipeline with a crop to a fixed size, or set batch_size: 1"
            )
        elif (clip.normal, clip.pixel_type) != (self._normal, self._imgs.dtype):
            clip = clip.settled()  # an operation made numbers of some of them only
            self._settle(clip.layout)
        clip.write(self._imgs[len(self)])
        self.layout = clip.layout
        self._index.append(index)
        self._labels.append(clip.label)
        self._files.append(clip.path)

    def _settle(self, layout: str) -> None:
        """Normalises what was written so far, if that is still to be done."""
        if self._normal is not None:
            self._imgs, self._normal = self._normal.formula(self._imgs, channels(layout)), None

    def batch(self) -> Batch:
        """{imgs: [B, ...], label, index: [B] int64, files: B paths}, of one clip or more.

        Where the clips are still to be normalised, imgs are uint8 pixels, and scale and shift (float32, one number a
        channel, of a shape that fits imgs) say how: see `normalised`.
        """
        fit = channels(self.layout)
        pending = self._normal and {"scale": self._normal.scale.reshape(fit), "shift": self._normal.shift.reshape(fit)}
        return {
            "imgs": self._imgs[: len(self)],
            **(pending or {}),
            "label": labels_of(self._labels),
            "index": np.array(self._index, dtype=np.int64),
            "files": self._files,
        }


def collate(loaded: Sequence[tuple[int, Clip]]) -> Batch:
    """The batch of some clips and their indices, see `Stack`."""
    stack = Stack(len(loaded))
    for index, clip in loaded:
        stack.add(index, clip)
    return stack.batch()


def channels(layout: str) -> list[int]:
    """The shape of an array of one number a channel, beside batches of this layout: [1, 1, 3, 1, 1] for tchw."""
    return [1, *(3 if axis == "c" else 1 for axis in layout)]


def normalised(batch: Batch) -> np.ndarray:
    """The frames of a batch as the backbone takes them: [B, ...] float32."""
    if "scale" not in batch:
        return batch["imgs"]
    imgs = np.multiply(batch["imgs"], batch["scale"], dtype=np.float32)
    imgs += batch["shift"]
    return imgs


def labels_of(labels: Sequence[Label]) -> np.ndarray:
    """The class ids of B clips, int64: [B], or for multi-label data [B, L], rows filled up with -1."""
    longest = max((len(ids) for ids in labels if isinstance(ids, tuple)), default=0)
    rows = [ids if isinstance(ids, int) else (*ids, *[-1] * (max(1, longest) - len(ids))) for ids in labels]
    return np.array(rows, dtype=np.int64)


def mixed(batch: Batch, mix: Mix, layout: str, rng: np.random.Generator) -> Batch:
    """A collated batch with its frames mixed, and label_b [B] int64 (of each clip's partner) and lam [] float32."""
    imgs, partners, lam = mix(batch["imgs"], layout, rng)
    return {**batch, "imgs": imgs, "label_b": batch["label"][partners], "lam": np.array(lam)}
