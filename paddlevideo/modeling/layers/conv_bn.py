"""The convolution + batch normalisation unit all convolutional backbones are made of."""

from __future__ import annotations

from typing import Literal, TypeAlias

from paddle import ParamAttr, Tensor, nn
from paddle.nn import functional as F
from paddle.regularizer import L2Decay

DataFormat: TypeAlias = Literal["NCHW", "NHWC"]


class ConvBN(nn.Layer):
    """Convolution without bias, then batch normalisation. No activation: a residual sum may come first.

    Parameters are called `_conv.weight` and `_batch_norm.{weight,bias,_mean,_variance}`, as in PaddleVideo's files.

    Args:
        in_channels, out_channels: C before and after.
        kernel_size: odd; the padding keeps the size at stride 1.
        stride: of the convolution, both axes.
        averaged: with stride 2, average 2x2 squares first rather than pass over values: He et al., "Bag of Tricks for
            Image Classification with CNNs", CVPR 2019, figure 2c. At an odd edge the mean is over what there is.
        decay_bn: whether the optimizer's weight decay reaches the scale and offset; False pins theirs to 0.
        lr_mult: learning rate of all parameters here, as a multiple of the optimizer's.
        data_format: axis order of input and output. The weight is [out, in, k, k] for both.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        *,
        averaged: bool = False,
        decay_bn: bool = True,
        lr_mult: float = 1.0,
        data_format: DataFormat = "NCHW",
    ) -> None:
        super().__init__()
        assert not averaged or stride in (1, 2)
        self.averaged = averaged and stride == 2
        self.data_format = data_format
        self._conv = nn.Conv2D(
            in_channels,
            out_channels,
            kernel_size,
            stride=1 if self.averaged else stride,
            padding=(kernel_size - 1) // 2,
            # He et al. 2015, equation 10: std = sqrt(2 / fan_in)
            weight_attr=ParamAttr(initializer=nn.initializer.KaimingNormal(), learning_rate=lr_mult),
            bias_attr=False,
            data_format=data_format,
        )
        regularizer = None if decay_bn else L2Decay(0.0)
        self._batch_norm = nn.BatchNorm2D(
            out_channels,
            momentum=0.9,  # Paddle's sense: running = 0.9 * running + 0.1 * batch
            epsilon=1e-5,
            weight_attr=ParamAttr(regularizer=regularizer, learning_rate=lr_mult),
            bias_attr=ParamAttr(regularizer=regularizer, learning_rate=lr_mult),
            data_format=data_format,
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C', H / stride, W / stride], sizes rounded up (channels last for NHWC)."""
        if self.averaged:
            x = F.avg_pool2d(x, 2, stride=2, ceil_mode=True, data_format=self.data_format)
        return self._batch_norm(self._conv(x))
