"""The temporal shift, by its exact values."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddlevideo.modeling.layers.temporal_shift import TemporalShift


def ramp(frames: int, channels: int) -> paddle.Tensor:
    """x[t, c] = channels * t + c as [T, C, 1, 1]."""
    return paddle.arange(frames * channels, dtype="float32").reshape([frames, channels, 1, 1])


def test_values_of_the_reference() -> None:
    rows = TemporalShift(4, 0.25)(ramp(4, 8)).reshape([4, 8]).numpy().astype(int).tolist()
    assert rows == [
        [0, 0, 10, 11, 4, 5, 6, 7],
        [0, 1, 18, 19, 12, 13, 14, 15],
        [8, 9, 26, 27, 20, 21, 22, 23],
        [16, 17, 0, 0, 28, 29, 30, 31],
    ]


def test_torch_direction_looks_ahead_first() -> None:
    rows = TemporalShift(3, 0.25, "torch")(ramp(3, 4)).reshape([3, 4]).numpy().astype(int).tolist()
    assert rows == [[4, 0, 2, 3], [8, 1, 6, 7], [0, 5, 10, 11]]


def test_clips_do_not_mix() -> None:
    rows = TemporalShift(2, 0.5)(ramp(4, 2)).reshape([4, 2]).numpy().astype(int).tolist()
    assert rows == [[0, 3], [0, 0], [0, 7], [4, 0]]


def test_gradient_goes_back_where_the_value_came_from() -> None:
    x = ramp(3, 4)
    x.stop_gradient = False
    weights = ramp(3, 4) + 1
    (TemporalShift(3, 0.25)(x) * weights).sum().backward()
    # channel 0 of frame t is read by frame t + 1, channel 1 by frame t - 1, the others by their own frame
    assert x.grad.reshape([3, 4]).numpy().astype(int).tolist() == [[5, 0, 3, 4], [9, 2, 7, 8], [0, 6, 11, 12]]


@settings(deadline=None, max_examples=60)
@given(
    num_seg=st.integers(2, 5),
    clips=st.integers(1, 3),
    channels=st.integers(1, 9),
    ratio=st.floats(0, 0.5),
    direction=st.sampled_from(["paddle", "torch"]),
    data_format=st.sampled_from(["NCHW", "NHWC"]),
)
def test_any_ratio_against_a_loop(
    num_seg: int, clips: int, channels: int, ratio: float, direction: str, data_format: str
) -> None:
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(2, clips * num_seg, channels, 2, 3)).astype("float32")
    expected, expected_grad = np.zeros_like(x), np.zeros_like(x)
    for frame in range(len(x)):
        for channel in range(channels):
            moved = 1 if channel < int(channels * ratio) else -1 if channel < int(2 * channels * ratio) else 0
            source = frame - (moved if direction == "paddle" else -moved)
            if source >= 0 and source // num_seg == frame // num_seg:
                expected[frame, channel] = x[source, channel]
                expected_grad[source, channel] = weights[frame, channel]
    to_model = (0, 2, 3, 1) if data_format == "NHWC" else (0, 1, 2, 3)
    given_x = paddle.to_tensor(x.transpose(to_model), stop_gradient=False)
    shifted = TemporalShift(num_seg, ratio, direction, data_format)(given_x)
    (shifted * paddle.to_tensor(weights.transpose(to_model))).sum().backward()
    np.testing.assert_array_equal(shifted.numpy(), expected.transpose(to_model))
    np.testing.assert_array_equal(given_x.grad.numpy(), expected_grad.transpose(to_model))


@pytest.mark.parametrize(
    ("channels", "ratio", "past", "future"), [(10, 0.25, 2, 3), (7, 0.5, 3, 4), (9, 0.1, 0, 1), (3, 0.3, 0, 1)]
)
def test_the_second_group_ends_at_twice_the_ratio(channels: int, ratio: float, past: int, future: int) -> None:
    middle = TemporalShift(3, ratio)(ramp(3, channels)).numpy().reshape(3, channels)[1]
    from_frame = middle // channels
    assert from_frame.tolist() == [0] * past + [2] * future + [1] * (channels - past - future)


@pytest.mark.parametrize("channels", [64, 128, 256, 512, 1024, 2048])
def test_an_eighth_is_the_shift_div_of_8(channels: int) -> None:
    fold = channels // 8
    middle = TemporalShift(3, 0.125, "torch")(ramp(3, channels)).numpy().reshape(3, channels)[1]
    assert (middle // channels).tolist() == [2] * fold + [0] * fold + [1] * (channels - 2 * fold)


@pytest.mark.parametrize("data_format", ["NCHW", "NHWC"])
def test_exports_with_any_number_of_clips(data_format: str, tmp_path) -> None:
    layer = TemporalShift(3, 0.3, data_format=data_format)
    spec = [paddle.static.InputSpec([None, 4, 4, 4], "float32")]
    paddle.jit.save(layer, str(tmp_path / "shift"), input_spec=spec)
    program = paddle.jit.load(str(tmp_path / "shift"))
    for clips in (1, 3):
        x = paddle.arange(clips * 3 * 64, dtype="float32").reshape([clips * 3, 4, 4, 4])
        np.testing.assert_array_equal(program(x).numpy(), layer(x).numpy())


@pytest.mark.parametrize(
    "arguments", [{"num_seg": 1}, {"shift_ratio": 0.6}, {"shift_ratio": -0.1}, {"shift_direction": "left"}]
)
def test_senseless_values_are_refused(arguments: dict) -> None:
    with pytest.raises(ValueError, match=str(next(iter(arguments.values())))):
        TemporalShift(**{"num_seg": 4, "shift_ratio": 0.25, **arguments})
