"""The figures that can be asked for by name: what `--eval` and `paddlevideo eval` compute. N samples, K classes.

The predicted class is that of the highest score; of equal scores, the lowest id (mmaction2: the highest).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from paddlevideo.metrics.average_precision import mean_average_precision
from paddlevideo.metrics.topk import correct_at


def top_k_accuracy(scores: np.ndarray, labels: np.ndarray, topk: Sequence[int]) -> dict[str, float]:
    """{"top1": share of samples whose label is among the highest scores, 0..1, ...} for every k of `topk`."""
    return {f"top{k}": int(correct_at(scores, labels, k).sum()) / len(labels) for k in topk}


def mean_class_accuracy(scores: np.ndarray, labels: np.ndarray, topk: Sequence[int] = ()) -> dict[str, float]:
    """Accuracy of each class, averaged over the classes that occur among the labels or the predictions.

    A class that is predicted but is no sample's label counts as 0, as in mmaction2.
    """
    counts = confusion(scores, labels)
    samples, right = counts.sum(axis=1), np.diag(counts)
    occur = (samples > 0) | (counts.sum(axis=0) > 0)
    return {"mean_class_accuracy": float((right[occur] / np.maximum(samples[occur], 1)).mean())}


FIGURES: dict[str, Callable[[np.ndarray, np.ndarray, Sequence[int]], dict[str, float]]] = {
    "top_k_accuracy": top_k_accuracy,
    "mean_class_accuracy": mean_class_accuracy,
    "mean_average_precision": mean_average_precision,
}
ONE_LABEL = ("top_k_accuracy", "mean_class_accuracy")  # figures of samples with one label each


def check(names: Sequence[str], multi_label: bool) -> None:
    """Raises ValueError for a figure that cannot be computed of samples with any number of labels."""
    wrong = [name for name in names if multi_label and name in ONE_LABEL]
    if wrong:
        raise ValueError(f"{wrong[0]} is of one label a sample, and these have any number: mean_average_precision")


def compute(names: Sequence[str], scores: np.ndarray, labels: np.ndarray, topk: Sequence[int]) -> dict[str, float]:
    """The named figures of scores [N, K] and labels [N] (or [N, K] bool), N at least 1, in the order of the names."""
    return {key: value for name in names for key, value in FIGURES[name](scores, labels, topk).items()}


def line(figures: dict[str, float]) -> str:
    """Figures for the log: `avg_acc1=0.5, avg_acc5=1.0, mean_class_accuracy=0.4`."""
    shown = {f"avg_acc{name[3:]}" if name[3:].isdigit() else name: value for name, value in figures.items()}
    return ", ".join(f"{name}={value}" for name, value in shown.items())


def confusion(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many samples of each class were taken for each: scores [N, K], labels [N] -> [K (label), K (predicted)]."""
    classes = scores.shape[1]
    pairs = labels * classes + scores.argmax(axis=1)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def class_table(counts: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Lines: videos, correct ones and accuracy of every class that has videos, by id."""
    lines = [f"{'videos':>7} {'correct':>7} {'accuracy':>8}  class"]
    for k, (row, name) in enumerate(zip(counts.tolist(), classes)):
        if total := sum(row):
            lines.append(f"{total:>7} {row[k]:>7} {row[k] / total:>8.4f}  {k} {name}")
    return lines


def confusions(counts: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Lines: how many videos of a class were taken for another, most first; pairs that never occur are left out."""
    wrong = counts - np.diag(np.diag(counts))
    pairs = sorted(np.argwhere(wrong).tolist(), key=lambda pair: -wrong[tuple(pair)])  # stable: by id within a count
    lines = [f"{'videos':>7}  class -> taken for"]
    return lines + [f"{wrong[i, j]:>7}  {i} {classes[i]} -> {j} {classes[j]}" for i, j in pairs]
