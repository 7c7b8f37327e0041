"""Batches in which every clip is blended with another one: the MIX section of a config, for training only.

Pixels that are still to be normalised can be mixed as well: the weights sum to one, so it makes no difference.

Letters: B clips a batch, H and W rows and columns of a frame. A mix takes the frames of a batch and gives new ones,
the partner of each clip, and lam: the share of each clip itself. All clips of a batch share one lam and one box. The
loss is then lam * loss(own labels) + (1 - lam) * loss(partners' labels).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from paddlevideo.registry import MIXES


class Mixed(NamedTuple):
    """What a mix makes of a batch: frames [B, ...], partners [B] (positions in the batch), lam in 0..1.

    Blended frames are float32; those with boxes of others are of the type they were.
    """

    imgs: np.ndarray
    partners: np.ndarray
    lam: np.float32


class Mix(Protocol):
    """What the MIXES table holds."""

    def __call__(self, imgs: np.ndarray, layout: str, rng: np.random.Generator) -> Mixed:
        """Frames [B, ...] and the order of the axes after the first, such as "tchw" -> the mixed batch."""
        ...


def draw_lam(alpha: float, rng: np.random.Generator) -> float:
    """lam ~ Beta(alpha, alpha)."""
    return float(rng.beta(alpha, alpha))


def draw_box(height: int, width: int, lam: float, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A box (top, bottom, left, right) that covers about 1 - lam of the frame, wherever its centre falls.

    Its sides are the frame's times sqrt(1 - lam), rounded down; what lies outside the frame is cut off.
    """
    sides = int(height * np.sqrt(1 - lam)), int(width * np.sqrt(1 - lam))
    edges: list[int] = []
    for length, side in zip((height, width), sides):
        start = int(rng.integers(length)) - side // 2
        edges += [max(0, start), min(length, start + side)]
    top, bottom, left, right = edges
    return top, bottom, left, right


def _check_alpha(name: str, alpha: float) -> None:
    if alpha <= 0:
        raise ValueError(f"{name} of the Beta distribution must be above 0, got {alpha}")


@MIXES.register
class Mixup:
    """lam * clip + (1 - lam) * partner, lam ~ Beta(alpha, alpha) (Zhang et al., "mixup", ICLR 2018, equation 1).

    Args:
        alpha: above 0; small values leave most clips nearly as they are.
    """

    def __init__(self, alpha: float = 0.2) -> None:
        _check_alpha("alpha", alpha)
        self.alpha = alpha

    def __call__(self, imgs: np.ndarray, layout: str, rng: np.random.Generator) -> Mixed:
        lam = np.float32(draw_lam(self.alpha, rng))
        partners = rng.permutation(len(imgs))
        own = imgs.astype(np.float32, copy=False)
        mixed = own[partners]  # a copy
        mixed *= 1 - lam
        mixed += lam * own
        return Mixed(mixed, partners, lam)


@MIXES.register
class Cutmix:
    """A box of every frame is the partner's (Yun et al., "CutMix", ICCV 2019, section 3.1 and appendix A).

    The box lies on height x width, whatever the layout, and is the same in all frames of all clips. lam is the share of
    a frame outside the box: counted, not the drawn one, since a box may reach over the edge.

    Args:
        alpha: above 0; the area of the box is drawn from Beta(alpha, alpha).
    """

    def __init__(self, alpha: float = 1.0) -> None:
        _check_alpha("alpha", alpha)
        self.alpha = alpha

    def __call__(self, imgs: np.ndarray, layout: str, rng: np.random.Generator) -> Mixed:
        rows, columns = 1 + layout.index("h"), 1 + layout.index("w")
        height, width = imgs.shape[rows], imgs.shape[columns]
        top, bottom, left, right = draw_box(height, width, draw_lam(self.alpha, rng), rng)
        partners = rng.permutation(len(imgs))
        box = [slice(None)] * imgs.ndim
        box[rows], box[columns] = slice(top, bottom), slice(left, right)
        mixed = imgs.copy()
        mixed[tuple(box)] = imgs[tuple(box)][partners]
        return Mixed(mixed, partners, np.float32(1 - (bottom - top) * (right - left) / (height * width)))


@MIXES.register
class VideoMix:
    """Cutmix for a share of the batches, Mixup for the others (Yun et al., "VideoMix", 2020, arXiv:2012.03457).

    Args:
        cutmix_prob: share of the batches, 0..1.
        mixup_alpha, cutmix_alpha: `alpha` of each.
    """

    def __init__(self, cutmix_prob: float = 0.5, mixup_alpha: float = 0.2, cutmix_alpha: float = 1.0) -> None:
        if not 0 <= cutmix_prob <= 1:
            raise ValueError(f"cutmix_prob is a probability, from 0 to 1, got {cutmix_prob}")
        _check_alpha("mixup_alpha", mixup_alpha)
        _check_alpha("cutmix_alpha", cutmix_alpha)
        self.cutmix_prob = cutmix_prob
        self.mixup, self.cutmix = Mixup(mixup_alpha), Cutmix(cutmix_alpha)

    def __call__(self, imgs: np.ndarray, layout: str, rng: np.random.Generator) -> Mixed:
        chosen = self.cutmix if rng.random() < self.cutmix_prob else self.mixup
        return chosen(imgs, layout, rng)
