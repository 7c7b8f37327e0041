"""Labels on their way from a clip to a batch: one a clip, or several."""

from __future__ import annotations

import numpy as np
import pytest

from paddlevideo.loader.batch import labels_of
from paddlevideo.loader.clip import Clip
from paddlevideo.loader.pipelines.flip import RandomFlip


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([3, 0], [3, 0]),
        ([(1, 3), (2,), ()], [[1, 3], [2, -1], [-1, -1]]),
        ([(), ()], [[-1], [-1]]),
    ],
)
def test_rows_are_filled_up(labels: list, expected: list) -> None:
    found = labels_of(labels)
    assert found.dtype == np.int64 and found.tolist() == expected


def test_a_mirrored_clip_has_the_mirrored_labels() -> None:
    flip = RandomFlip(1.0, {86: 87, 87: 86})
    clip = Clip("x", label=(86, 5), frames=np.zeros((1, 2, 2, 3), np.uint8))
    assert flip(clip, np.random.default_rng(0)).label == (87, 5)
    assert RandomFlip(0.0, {86: 87, 87: 86})(clip, np.random.default_rng(0)).label == (86, 5)
