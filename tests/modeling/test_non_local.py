"""The non-local block against its formula, written down with einsum."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle.regularizer import L2Decay

from paddlevideo.modeling.layers.non_local import NonLocal

RNG = np.random.default_rng(5)
T, C, H, W = 3, 6, 5, 4


def trained(mode: str, data_format: str = "NCHW") -> NonLocal:
    """A block with random weights, as training would leave them; the same for every call."""
    layer, rng = NonLocal(C, T, mode, data_format).eval(), np.random.default_rng(6)
    for value in layer.state_dict().values():
        value.set_value(
            (rng.normal(size=value.shape) if value.ndim == 4 else rng.uniform(0.5, 2, value.shape)).astype("float32")
        )
    return layer


def convolved(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """A 1x1x1 convolution of [N, T, C, H, W]."""
    return np.einsum("ntchw,oc->ntohw", x, weight[:, :, 0, 0]) + bias[:, None, None]


def pooled(x: np.ndarray) -> np.ndarray:
    """The largest of each 2x2 square; an odd last row is left out, as in max pooling without padding."""
    height, width = x.shape[3] // 2 * 2, x.shape[4] // 2 * 2
    squares = x[:, :, :, :height, :width].reshape(*x.shape[:3], height // 2, 2, width // 2, 2)
    return squares.max((4, 6))


def formula(layer: NonLocal, x: np.ndarray) -> np.ndarray:
    """[N, T, C, H, W] -> the same."""
    state = {name: value.numpy().astype("float64") for name, value in layer.state_dict().items()}

    def embedded(name: str) -> np.ndarray:
        return convolved(x, state[f"{name}.weight"], state[f"{name}.bias"])

    queries = x if layer.mode == "gaussian" else embedded("theta")
    keys = pooled(x if layer.mode == "gaussian" else embedded("phi"))
    weights = np.einsum("ntchw,nscij->nthwsij", queries, keys)
    if layer.mode == "dot_product":
        weights /= keys.size // (keys.shape[0] * keys.shape[2])
    else:
        weights = np.exp(weights - weights.max((4, 5, 6), keepdims=True))
        weights /= weights.sum((4, 5, 6), keepdims=True)
    y = np.einsum("nthwsij,nscij->ntchw", weights, pooled(embedded("g")))
    y = convolved(y, state["conv_out._conv.weight"], np.zeros(C))
    norm = {
        name: state[f"conv_out._batch_norm.{name}"][:, None, None] for name in ("weight", "bias", "_mean", "_variance")
    }
    return x + (y - norm["_mean"]) / np.sqrt(norm["_variance"] + 1e-5) * norm["weight"] + norm["bias"]


@pytest.mark.parametrize("mode", ["embedded_gaussian", "gaussian", "dot_product"])
@pytest.mark.parametrize("data_format", ["NCHW", "NHWC"])
def test_formula(mode: str, data_format: str) -> None:
    layer = trained(mode, data_format)
    clips = RNG.normal(size=(2, T, C, H, W)).astype("float32")
    frames = paddle.to_tensor(clips.reshape(2 * T, C, H, W))
    y = layer(frames) if data_format == "NCHW" else layer(frames.transpose([0, 2, 3, 1])).transpose([0, 3, 1, 2])
    np.testing.assert_allclose(y.numpy().reshape(clips.shape), formula(layer, clips), rtol=1e-4, atol=1e-4)


def test_starts_as_the_identity_and_learns() -> None:
    layer = NonLocal(C, T).train()
    x = paddle.to_tensor(RNG.normal(size=(T, C, H, W)).astype("float32"))
    np.testing.assert_array_equal(layer(x).numpy(), x.numpy())
    (layer(x) ** 3).sum().backward()
    assert layer.conv_out._batch_norm.weight.grad.abs().max().item() > 0
    trained_layer = trained("embedded_gaussian").train()
    (trained_layer(x) ** 3).sum().backward()
    for name, parameter in trained_layer.named_parameters():
        # the softmax does not notice what is added to all keys alike
        assert parameter.stop_gradient or name == "phi.bias" or parameter.grad.abs().max().item() > 0, name


def test_rates_and_decay() -> None:
    layer = NonLocal(C, T)
    for convolution in (layer.g, layer.theta, layer.phi):
        assert convolution.weight.regularizer is None
        assert (convolution.bias.optimize_attr["learning_rate"], convolution.bias.regularizer._coeff) == (2.0, 0.0)
        assert not convolution.bias.numpy().any()
    assert isinstance(layer.conv_out._batch_norm.bias.regularizer, L2Decay)
    assert float(NonLocal(256, T).g.weight.std()) == pytest.approx(0.01, rel=0.05)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="concatenation"):
        NonLocal(C, T, "concatenation")
