"""Mean average precision, for videos with any number of labels. N samples, K classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paddlevideo.registry import METRICS


def multi_hot(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Class ids [N], or [N, L] with rows filled up with -1 -> [N, K] bool: which classes a sample has."""
    ids = labels.reshape(len(labels), -1, 1)  # [N, L, 1]
    return (ids == np.arange(num_classes)).any(axis=1)


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """Sum over the thresholds n, from the highest score down, of (recall_n - recall_(n-1)) * precision_n.

    Equal scores are one threshold, so their order does not matter. No interpolation (scikit-learn's
    `average_precision_score`).

    Args:
        scores: [N] finite.
        positive: [N] bool, at least one True.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(positive[order])
    last = np.append(ranked[1:] != ranked[:-1], True)  # of the samples with one score
    found = hits[last]
    precision = found / (np.flatnonzero(last) + 1)
    recall = found / hits[-1]
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def average_precisions(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Average precision of each class, [K]; NaN for classes that no sample has.

    Args:
        scores: [N, K].
        labels: class ids [N], or [N, K] bool.
    """
    hot = labels if labels.ndim == 2 else multi_hot(labels, scores.shape[1])
    columns = zip(scores.T, hot.astype(bool).T)
    return np.array([average_precision(score, own) if own.any() else np.nan for score, own in columns])


def mean_average_precision(scores: np.ndarray, labels: np.ndarray, topk: Sequence[int] = ()) -> dict[str, float]:
    """{"mean_average_precision": mean over the classes that some sample has, 0..1}; NaN where none has any."""
    each = average_precisions(scores, labels)
    known = each[~np.isnan(each)]
    return {"mean_average_precision": float(known.mean()) if len(known) else float("nan")}


def precision_table(scores: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Lines: videos and average precision of every class that has videos, by id."""
    hot = labels if labels.ndim == 2 else multi_hot(labels, scores.shape[1])
    counts, each = hot.sum(axis=0).tolist(), average_precisions(scores, labels).tolist()
    lines = [f"{'videos':>7} {'average precision':>17}  class"]
    rows = enumerate(zip(counts, each, classes))
    return lines + [f"{count:>7} {value:>17.4f}  {k} {name}" for k, (count, value, name) in rows if count]


@METRICS.register
class MultiLabelMetric:
    """Mean average precision of videos with any number of labels.

    Args:
        log_interval: batches between progress lines.
    """

    best = "mean_average_precision"
    figures = ("mean_average_precision",)
    multi_label = True
    views: int | None = None

    def __init__(self, log_interval: int = 1) -> None:
        if log_interval < 1:
            raise ValueError(f"log_interval must be at least 1, got {log_interval}")
        self.log_interval = log_interval
        self.topk = [1, 5]
        self._scores: list[np.ndarray] = []
        self._labels: list[np.ndarray] = []

    def update(self, scores: np.ndarray, labels: np.ndarray) -> None:
        """Adds samples: scores [N, K], labels [N, K] bool."""
        self._scores.append(scores)
        self._labels.append(labels)

    def result(self) -> dict[str, float]:
        """{"mean_average_precision": 0..1}; NaN where no sample has a label."""
        if not sum(map(len, self._scores)):
            return {self.best: float("nan")}
        return mean_average_precision(np.concatenate(self._scores), np.concatenate(self._labels))
