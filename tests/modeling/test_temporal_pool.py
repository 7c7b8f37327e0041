"""Pooling over time, by its exact values."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddlevideo.modeling.layers.temporal_pool import TemporalPool


def test_a_frame_and_its_neighbours() -> None:
    x = paddle.to_tensor([[3.0, 0], [1, 0], [2, -5], [4, -7], [0, -6], [9, -8]]).reshape([6, 2, 1, 1])
    assert TemporalPool(6)(x).reshape([3, 2]).tolist() == [[3, 0], [4, 0], [9, -6]]


def test_clips_do_not_mix() -> None:
    x = paddle.to_tensor([1.0, 9, 2, 3]).reshape([4, 1, 1, 1])
    assert TemporalPool(2)(x).flatten().tolist() == [9, 3]
    assert TemporalPool(4)(x).flatten().tolist() == [9, 9]


@settings(deadline=None, max_examples=25)
@given(half=st.integers(1, 4), clips=st.integers(1, 3), seed=st.integers(0, 99))
def test_against_a_loop(half: int, clips: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(clips, 2 * half, 3, 2, 4)).astype("float32")
    expected, grad = np.zeros((clips, half, 3, 2, 4), "float32"), np.zeros_like(x)
    for clip in range(clips):
        for t in range(half):
            window = range(max(0, 2 * t - 1), min(2 * half, 2 * t + 2))
            expected[clip, t] = x[clip, window].max(0)
            for frame in window:
                grad[clip, frame] += x[clip, frame] == expected[clip, t]
    given_x = paddle.to_tensor(x.reshape(-1, 3, 2, 4), stop_gradient=False)
    pooled = TemporalPool(2 * half)(given_x)
    pooled.sum().backward()
    np.testing.assert_array_equal(pooled.numpy(), expected.reshape(-1, 3, 2, 4))
    np.testing.assert_array_equal(given_x.grad.numpy(), grad.reshape(-1, 3, 2, 4))


def test_an_odd_number_of_frames_is_refused() -> None:
    with pytest.raises(ValueError, match=r"num_seg=7.*even"):
        TemporalPool(7)
