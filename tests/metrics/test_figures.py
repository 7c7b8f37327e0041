"""Figures by name, on matrices small enough to count by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddlevideo.metrics.figures import (
    FIGURES,
    class_table,
    compute,
    confusion,
    confusions,
    line,
    mean_class_accuracy,
    top_k_accuracy,
)
from paddlevideo.metrics.topk import CenterCropMetric, MultiCropMetric


def scores_for(predictions: list[int], classes: int) -> np.ndarray:
    return np.eye(classes, dtype="float32")[predictions]


@pytest.mark.parametrize(
    ("labels", "predictions", "expected"),
    [
        ([0, 0, 0, 1], [0, 0, 0, 1], 1.0),
        ([0, 0, 0, 1], [0, 0, 1, 1], (2 / 3 + 1) / 2),
        ([0, 0, 0, 1], [0, 0, 0, 2], (1 + 0 + 0) / 3),  # class 2 is predicted but nobody's: it counts as 0
        ([0, 0], [3, 3], 0.0),
        ([2, 2], [2, 2], 1.0),  # classes 0, 1, 3 do not occur
    ],
)
def test_mean_class_accuracy(labels: list[int], predictions: list[int], expected: float) -> None:
    found = mean_class_accuracy(scores_for(predictions, 4), np.array(labels))
    assert found == {"mean_class_accuracy": pytest.approx(expected, abs=1e-15)}


def test_equal_scores_go_to_the_lower_class() -> None:
    scores = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]], dtype="float32")
    labels = np.array([0, 1])
    assert confusion(scores, labels).tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert top_k_accuracy(scores, labels, [1, 2]) == {"top1": 0.5, "top2": 1.0}


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_figures_agree_with_each_other_and_with_the_metric_section(n: int, classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, labels = rng.integers(4, size=(n, classes)).astype("float32"), rng.integers(classes, size=n)
    metric = CenterCropMetric()
    metric.update(scores, labels)
    found = compute(list(FIGURES), scores, labels, [1, 5])
    assert {name: found[name] for name in ("top1", "top5")} == metric.result()
    counts = confusion(scores, labels)
    assert counts.sum() == n and np.trace(counts) / n == found["top1"]
    seen = sorted(set(labels.tolist()) | set(scores.argmax(axis=1).tolist()))
    each = [np.mean(scores[labels == k].argmax(axis=1) == k) if (labels == k).any() else 0.0 for k in seen]
    assert found["mean_class_accuracy"] == pytest.approx(np.mean(each))


def test_lines() -> None:
    scores = scores_for([0, 1, 1, 2, 1], 4)
    labels = np.array([0, 0, 0, 2, 2])
    found = compute(["mean_class_accuracy", "top_k_accuracy"], scores, labels, [1])
    assert line(found) == f"mean_class_accuracy={(1 / 3 + 0 + 1 / 2) / 3}, avg_acc1=0.4"
    counts, names = confusion(scores, labels), ["pouring tea", "waving", "bowing", "none"]
    assert class_table(counts, names) == [
        " videos correct accuracy  class",
        "      3       1   0.3333  0 pouring tea",
        "      2       1   0.5000  2 bowing",
    ]
    assert confusions(counts, names) == [
        " videos  class -> taken for",
        "      2  0 pouring tea -> 1 waving",
        "      1  2 bowing -> 1 waving",
    ]


def test_multi_crop_metric_is_the_same_figures_and_knows_its_views() -> None:
    metric = MultiCropMetric(num_ensemble_views=10, num_spatial_crops=3)
    assert metric.views == 30 and CenterCropMetric().views is None
    metric.update(scores_for([0, 1], 2), np.array([0, 0]))
    assert metric.result() == {"top1": 0.5, "top5": 1.0}
    with pytest.raises(ValueError, match="0 x 3 views"):
        MultiCropMetric(0, 3)
