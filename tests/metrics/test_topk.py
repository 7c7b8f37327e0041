"""Top-k accuracy, against the definition written out."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddlevideo.metrics.topk import CenterCropMetric, correct_at

SCORES = np.array([[0.1, 0.5, 0.4], [0.2, 0.2, 0.2], [0.9, 0.0, 0.1], [np.nan, 1.0, 0.0]])


@pytest.mark.parametrize(
    ("labels", "k", "expected"),
    [
        ([1, 0, 0, 1], 1, [True, True, True, False]),
        ([2, 1, 2, 1], 1, [False, False, False, False]),
        ([2, 1, 2, 1], 2, [True, True, True, False]),
        ([0, 2, 1, 2], 5, [True, True, True, False]),
    ],
)
def test_correct_at(labels: list[int], k: int, expected: list[bool]) -> None:
    assert correct_at(SCORES, np.array(labels), k).tolist() == expected


def test_the_metric_counts_every_sample_once_whatever_the_batches() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(11, 7)), rng.integers(7, size=11)
    whole, parts = CenterCropMetric(), CenterCropMetric()
    whole.update(scores, labels)
    for start in range(0, 11, 4):
        parts.update(scores[start : start + 4], labels[start : start + 4])
    assert whole.result() == parts.result()
    order = np.argsort(-scores, axis=1)
    assert whole.result()["top1"] == np.mean(order[:, 0] == labels)
    assert whole.result()["top5"] == np.mean((order[:, :5] == labels[:, None]).any(axis=1))


def test_two_classes_and_no_samples() -> None:
    metric = CenterCropMetric(topk=[1, 5])
    assert all(math.isnan(value) for value in metric.result().values())
    metric.update(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1, 1]))
    assert metric.result() == {"top1": 0.5, "top5": 1.0}


@pytest.mark.parametrize("topk", [[], [0, 1], [5]])
def test_topk_must_make_sense(topk: list[int]) -> None:
    with pytest.raises(ValueError, match="topk must hold 1"):
        CenterCropMetric(topk=topk)


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_exactly_k_classes_of_each_row_are_correct(k: int, classes: int, seed: int) -> None:
    """Ties or not, k of the K possible labels count as hits."""
    row = np.random.default_rng(seed).integers(3, size=(1, classes)).astype("float32")
    hits = correct_at(np.repeat(row, classes, axis=0), np.arange(classes), k)
    assert hits.sum() == min(k, classes)
