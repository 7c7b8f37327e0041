"""Clips joined into a batch: a dict of arrays. Runs in the worker processes, without Paddle."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.pipelines.mix import Mix
from paddlevideo.utils.errors import UserError

Batch: TypeAlias = dict[str, Any]


def collate(loaded: list[tuple[int, Clip]]) -> Batch:
    """{imgs: [B, ...], label, index: [B] int64, files: B paths}. Raises UserError when shapes differ.

    Where the clips are still to be normalised, imgs are uint8 pixels, and scale and shift (float32, one number a
    channel, of a shape that fits imgs) say how: see `normalised`.
    """
    clips = [clip for _, clip in loaded]
    shapes = [clip.shape for clip in clips]
    if len(set(shapes)) > 1:
        odd = next(i for i, shape in enumerate(shapes) if shape != shapes[0])
        raise UserError(
            f"clips of one batch differ in shape: {clips[0].path} {shapes[0]}, {clips[odd].path} "
            f"{shapes[odd]}; end the pipeline with a crop to a fixed size, or set batch_size: 1"
        )
    if len({(clip.normal, clip.pixel_type) for clip in clips}) > 1:  # an operation made numbers of some of them only
        clips = [clip.settled() for clip in clips]
    imgs = np.empty((len(clips), *shapes[0]), clips[0].pixel_type)
    for clip, place in zip(clips, imgs):
        clip.write(place)
    return {
        "imgs": imgs,
        **pending(clips[0]),
        "label": labels_of(clips),
        "index": np.array([index for index, _ in loaded], dtype=np.int64),
        "files": [clip.path for clip in clips],
    }


def pending(clip: Clip) -> dict[str, np.ndarray]:
    """scale and shift of the batches of such clips, if any."""
    if clip.normal is None:
        return {}
    fit = [1, *(3 if axis == "c" else 1 for axis in clip.layout)]  # [1, 1, 3, 1, 1] for tchw
    return {"scale": clip.normal.scale.reshape(fit), "shift": clip.normal.shift.reshape(fit)}


def normalised(batch: Batch) -> np.ndarray:
    """The frames of a batch as the backbone takes them: [B, ...] float32."""
    if "scale" not in batch:
        return batch["imgs"]
    imgs = np.multiply(batch["imgs"], batch["scale"], dtype=np.float32)
    imgs += batch["shift"]
    return imgs


def labels_of(clips: list[Clip]) -> np.ndarray:
    """The class ids of B clips, int64: [B], or for multi-label data [B, L], rows filled up with -1."""
    labels = [clip.label for clip in clips]
    longest = max((len(ids) for ids in labels if isinstance(ids, tuple)), default=0)
    rows = [ids if isinstance(ids, int) else (*ids, *[-1] * (max(1, longest) - len(ids))) for ids in labels]
    return np.array(rows, dtype=np.int64)


def mixed(batch: Batch, mix: Mix, layout: str, rng: np.random.Generator) -> Batch:
    """A collated batch with its frames mixed, and label_b [B] int64 (of each clip's partner) and lam [] float32."""
    imgs, partners, lam = mix(batch["imgs"], layout, rng)
    return {**batch, "imgs": imgs, "label_b": batch["label"][partners], "lam": np.array(lam)}
