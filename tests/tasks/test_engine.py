"""The engine on a program that Paddle 3.3.1's own defaults crash on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle import nn
from paddle.nn import functional as F
from paddle.static import InputSpec

from paddlevideo.tasks.engine import Engine, EngineOptions, safe_options
from paddlevideo.utils import compat, log


class LeakyConvolution(nn.Layer):
    """A convolution and a leaky ReLU: oneDNN's fusion of the two ends the process (a segmentation fault)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 4, 3)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return F.leaky_relu(self.conv(x)).mean(axis=[2, 3])


@pytest.mark.skipif(compat.writes_pdmodel(), reason="the older form of programs has no such fault")
def test_a_real_crash_is_met_in_a_child_process_and_said_aloud(tmp_path: Path, capfd) -> None:
    log.setup()
    layer = LeakyConvolution()
    layer.eval()
    paddle.jit.save(layer, str(tmp_path / "leaky"), input_spec=[InputSpec([None, 3, 8, 8], "float32")])
    files = tmp_path / "leaky.json", tmp_path / "leaky.pdiparams"
    settled = safe_options(*files, EngineOptions(cpu_threads=2), [1, 3, 8, 8])
    said = "oneDNN fails on this program with this Paddle (" in "".join(capfd.readouterr())
    assert settled.onednn is not said  # a Paddle that has mended it may use oneDNN, silently
    imgs = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype("float32")
    with paddle.no_grad():
        expected = layer(paddle.to_tensor(imgs)).numpy()
    np.testing.assert_allclose(Engine(*files, settled)(imgs), expected, atol=1e-5)
