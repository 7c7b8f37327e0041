"""Activations in place: the values and gradients of the plain ones."""

from collections.abc import Callable

import numpy as np
import paddle
import pytest
from paddle.nn import functional as F

from paddlevideo.modeling.layers.activation import leaky_relu, relu


@pytest.mark.parametrize(("ours", "plain"), [(relu, F.relu), (leaky_relu, F.leaky_relu)], ids=["relu", "leaky_relu"])
def test_values_and_gradients(ours: Callable, plain: Callable) -> None:
    values = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    results = []
    for activation in (ours, plain):
        x = paddle.to_tensor(values, stop_gradient=False)
        y = activation(x * 2.0)
        (y * y).sum().backward()
        results.append((y.numpy(), x.grad.numpy()))
    for found, expected in zip(*results):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("ours", [relu, leaky_relu])
def test_nothing_is_copied(ours: Callable) -> None:
    x = paddle.to_tensor([-1.0, 2.0])
    assert ours(x).data_ptr() == x.data_ptr()
