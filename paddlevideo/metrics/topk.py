"""Top-k accuracy, as the METRIC section names it."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from paddlevideo.registry import METRICS


class Metric(Protocol):
    """`update` with batches, then `result`.

    Attributes:
        topk: the k values of top-k accuracy, where that is asked for.
        best: the figure of `result` by which the best model is chosen.
        figures: names of `metrics.figures` that a test computes unless it is told others.
        multi_label: whether labels are [N, K] bool, any number a sample, instead of class ids [N].
    """

    topk: list[int]
    best: str
    figures: tuple[str, ...]
    multi_label: bool
    log_interval: int
    views: int | None

    def update(self, scores: np.ndarray, labels: np.ndarray) -> None: ...

    def result(self) -> dict[str, float]: ...


def correct_at(scores: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Whether the label is among the k highest scores of each row.

    A class that ties with the label counts as ranked before it when its id is lower, so constant scores do not count
    as hits for every class.

    Args:
        scores: [N, K] any real scores; NaN ranks as a miss.
        labels: [N] class ids in 0..K-1.
        k: limited to K, the classes there are.
    Returns: [N] bool.
    """
    own = np.take_along_axis(scores, labels[:, None], axis=1)  # [N, 1]
    before = np.arange(scores.shape[1])[None] < labels[:, None]  # [N, K]
    rank = ((scores > own) | ((scores == own) & before)).sum(axis=1)
    return (rank < min(k, scores.shape[1])) & ~np.isnan(scores).any(axis=1)


class CenterCropMetric:
    """Top-k accuracy of video scores, each video counted once.

    Args:
        topk: the k values, 1 among them; each is limited to the number of classes there are.
        log_interval: batches between progress lines.
    Attributes:
        views: of each video in the test; None where any number is right.
    """

    best = "top1"
    figures: tuple[str, ...] = ("top_k_accuracy",)
    multi_label = False
    views: int | None = None

    def __init__(self, topk: list[int] = [1, 5], log_interval: int = 1) -> None:  # noqa: B006 - never modified
        if 1 not in topk or min(topk) < 1:
            raise ValueError(f"topk must hold 1 and other positive integers, got {topk}")
        if log_interval < 1:
            raise ValueError(f"log_interval must be at least 1, got {log_interval}")
        self.topk = topk
        self.log_interval = log_interval
        self._hits = dict.fromkeys(self.topk, 0)
        self.count = 0

    def update(self, scores: np.ndarray, labels: np.ndarray) -> None:
        """Adds samples: scores [N, K], labels [N]."""
        for k in self.topk:
            self._hits[k] += int(correct_at(scores, labels, k).sum())
        self.count += len(labels)

    def result(self) -> dict[str, float]:
        """{"top1": accuracy in 0..1, ...}; NaN where nothing was added."""
        return {f"top{k}": hits / self.count if self.count else float("nan") for k, hits in self._hits.items()}


class MultiCropMetric(CenterCropMetric):
    """PaddleVideo's name for the same figures of a test with several views, which the model averages.

    Args:
        num_ensemble_views, num_spatial_crops: views of a video in time and in space; their product must be what
            PIPELINE.test makes.
        topk, log_interval: as in `CenterCropMetric`.
    """

    def __init__(
        self,
        num_ensemble_views: int,
        num_spatial_crops: int,
        topk: list[int] = [1, 5],  # noqa: B006 - never modified
        log_interval: int = 1,
    ) -> None:
        if num_ensemble_views < 1 or num_spatial_crops < 1:
            raise ValueError(f"{num_ensemble_views} x {num_spatial_crops} views: both must be at least 1")
        super().__init__(topk, log_interval)
        self.views = num_ensemble_views * num_spatial_crops


METRICS.register(CenterCropMetric)
METRICS.register(MultiCropMetric)
