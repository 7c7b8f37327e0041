"""The convolution + batch normalisation unit all convolutional backbones are made of."""

from __future__ import annotations

from typing import Literal, TypeAlias

from paddle import ParamAttr, Tensor, nn
from paddle.regularizer import L2Decay

DataFormat: TypeAlias = Literal["NCHW", "NHWC"]


class ConvBN(nn.Layer):
    """Convolution without bias, then batch normalisation. No activation: a residual sum may come first.

    Parameters are called `_conv.weight` and `_batch_norm.{weight,bias,_mean,_variance}`, as in PaddleVideo's files.

    Args:
        in_channels, out_channels: C before and after.
        kernel_size: odd; the padding keeps the size at stride 1.
        stride: of the convolution, both axes.
        decay_bn: whether the optimizer's weight decay reaches the scale and offset; False pins theirs to 0.
        data_format: axis order of input and output. The weight is [out, in, k, k] for both.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        *,
        decay_bn: bool = True,
        data_format: DataFormat = "NCHW",
    ) -> None:
        super().__init__()
        self._conv = nn.Conv2D(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=(kernel_size - 1) // 2,
            # He et al. 2015, equation 10: std = sqrt(2 / fan_in)
            weight_attr=ParamAttr(initializer=nn.initializer.KaimingNormal()),
            bias_attr=False,
            data_format=data_format,
        )
        regularizer = None if decay_bn else L2Decay(0.0)
        self._batch_norm = nn.BatchNorm2D(
            out_channels,
            momentum=0.9,  # Paddle's sense: running = 0.9 * running + 0.1 * batch
            epsilon=1e-5,
            weight_attr=ParamAttr(regularizer=regularizer),
            bias_attr=ParamAttr(regularizer=regularizer),
            data_format=data_format,
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C', H', W'] (channels last for NHWC)."""
        return self._batch_norm(self._conv(x))
