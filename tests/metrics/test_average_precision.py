"""Average precision: by hand, and against the definition counted out threshold by threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddlevideo.metrics import figures
from paddlevideo.metrics.average_precision import (
    MultiLabelMetric,
    average_precision,
    average_precisions,
    mean_average_precision,
    multi_hot,
    precision_table,
)


@pytest.mark.parametrize(
    ("scores", "positive", "expected"),
    [
        ([0.9, 0.8, 0.7], [1, 1, 1], 1.0),
        ([0.9, 0.8, 0.1], [1, 0, 0], 1.0),
        ([0.1, 0.8, 0.9], [1, 0, 0], 1 / 3),
        ([4, 3, 2, 1], [1, 0, 1, 0], (1 + 2 / 3) / 2),
        ([4, 3, 2, 1], [0, 1, 0, 1], (1 / 2 + 2 / 4) / 2),
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.5 * 1 + 0.5 * 2 / 3),  # scikit-learn's example: 0.8333
        ([1, 1, 1, 1], [1, 0, 0, 0], 1 / 4),  # one threshold
        ([2, 2, 1, 1], [1, 0, 1, 0], 0.5 * 1 / 2 + 0.5 * 2 / 4),
        ([2, 2, 1, 1], [0, 1, 0, 1], 0.5 * 1 / 2 + 0.5 * 2 / 4),  # the order of equal scores is nothing
    ],
)
def test_values_by_hand(scores: list[float], positive: list[int], expected: float) -> None:
    assert average_precision(np.array(scores), np.array(positive, bool)) == pytest.approx(expected, abs=1e-12)


def counted_out(scores: list[int], positive: list[bool]) -> float:
    """The definition, word for word: precision and recall of 'score >= threshold' for each threshold."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        taken = [own for score, own in zip(scores, positive) if score >= threshold]
        recall = sum(taken) / sum(positive)
        total += (recall - before) * sum(taken) / len(taken)
        before = recall
    return total


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=25), st.randoms())
def test_the_definition(samples: list[tuple[int, bool]], random: object) -> None:
    samples[0] = (samples[0][0], True)
    expected = counted_out(*map(list, zip(*samples)))  # type: ignore[arg-type]
    random.shuffle(samples)  # type: ignore[attr-defined]
    scores, positive = zip(*samples)
    assert average_precision(np.array(scores, "float32"), np.array(positive)) == pytest.approx(expected, abs=1e-12)


SCORES = np.array([[0.9, 0.1, 0.5, 0.2], [0.8, 0.7, 0.5, 0.1], [0.1, 0.6, 0.5, 0.9]], "float32")
LABELS = np.array([[1, 0, 0, 0], [0, 1, 1, 0], [1, 0, 1, 0]], bool)


def test_the_mean_is_over_classes_that_occur() -> None:
    """Class 0: positives rank 1st and 3rd; class 1: 1st; class 2: all equal, 2 of 3; class 3: no sample has it."""
    each = [(1 + 2 / 3) / 2, 1.0, 2 / 3]
    np.testing.assert_allclose(average_precisions(SCORES, LABELS), [*each, np.nan])
    expected = {"mean_average_precision": pytest.approx(sum(each) / 3)}
    assert mean_average_precision(SCORES, LABELS) == expected
    metric = MultiLabelMetric()
    metric.update(SCORES[:1], LABELS[:1])
    metric.update(SCORES[1:], LABELS[1:])
    assert metric.result() == expected == figures.compute(["mean_average_precision"], SCORES, LABELS, [1])
    assert precision_table(SCORES, LABELS, ["a", "b", "c", "d"]) == [
        " videos average precision  class",
        "      2            0.8333  0 a",
        "      1            1.0000  1 b",
        "      2            0.6667  2 c",
    ]


def test_one_label_a_sample_is_a_case_of_several() -> None:
    ids = np.array([0, 1, 2])
    one_hot = np.eye(4, dtype=bool)[:3]
    assert multi_hot(ids, 4).tolist() == one_hot.tolist()
    assert mean_average_precision(SCORES, ids) == mean_average_precision(SCORES, one_hot)


def test_ids_become_rows() -> None:
    ids = np.array([[1, 3], [2, -1], [-1, -1]])
    assert multi_hot(ids, 4).astype(int).tolist() == [[0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_without_a_label_there_is_no_figure() -> None:
    assert np.isnan(mean_average_precision(SCORES, np.zeros((3, 4), bool))["mean_average_precision"])
    assert np.isnan(MultiLabelMetric().result()["mean_average_precision"])


def test_figures_of_one_label_are_refused() -> None:
    figures.check(["top_k_accuracy", "mean_average_precision"], multi_label=False)
    with pytest.raises(ValueError, match="top_k_accuracy is of one label a sample"):
        figures.check(["mean_average_precision", "top_k_accuracy"], multi_label=True)
