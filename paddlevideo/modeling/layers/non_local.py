"""Attention of every position of a clip to all others, as a residual block.

Wang, Girshick, Gupta, He, "Non-local Neural Networks", CVPR 2018, section 3. Shapes: N clips, T frames, C channels,
P = T*H*W positions, Q = T*(H/2)*(W/2) positions looked at.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import paddle
from paddle import ParamAttr, Tensor, nn
from paddle.nn import functional as F
from paddle.regularizer import L2Decay

from paddlevideo.modeling.layers.conv_bn import ConvBN, DataFormat

NonLocalMode: TypeAlias = Literal["embedded_gaussian", "gaussian", "dot_product"]


class NonLocal(nn.Layer):
    """y = x + BN(W(sum over positions j of f(x_i, x_j) g(x_j))), the positions j being those of 2x2 max-pooled frames.

    Starts as the identity, for the scale of its normalisation starts at 0. Biases learn twice as fast and do not decay,
    as in the recipe of TSM.

    Args:
        channels: C; g, theta and phi reduce it to C/2.
        num_seg: T, frames of one clip; the batch axis holds whole clips one after another.
        mode: f: softmax of theta(x_i) . phi(x_j) ("embedded_gaussian"), softmax of x_i . x_j ("gaussian"), or
            theta(x_i) . phi(x_j) / Q ("dot_product"). Not scaled by the root of the channels.
        data_format: axis order of the input.

    Raises:
        ValueError: for another mode.
    """

    def __init__(
        self,
        channels: int,
        num_seg: int,
        mode: NonLocalMode = "embedded_gaussian",
        data_format: DataFormat = "NCHW",
    ) -> None:
        super().__init__()
        if mode not in ("embedded_gaussian", "gaussian", "dot_product"):
            raise ValueError(f"non_local_mode={mode!r} is none of 'embedded_gaussian', 'gaussian', 'dot_product'")
        self.num_seg = num_seg
        self.mode = mode
        self.data_format = data_format
        for name in ["g"] if mode == "gaussian" else ["g", "theta", "phi"]:
            # 1x1 convolutions of frames are 1x1x1 convolutions of clips
            convolution = nn.Conv2D(
                channels,
                channels // 2,
                1,
                weight_attr=ParamAttr(initializer=nn.initializer.Normal(0.0, 0.01)),
                bias_attr=ParamAttr(
                    initializer=nn.initializer.Constant(0.0), learning_rate=2.0, regularizer=L2Decay(0.0)
                ),
                data_format=data_format,
            )
            self.add_sublayer(name, convolution)
        self.conv_out = ConvBN(channels // 2, channels, 1, decay_bn=False, data_format=data_format)
        nn.initializer.Constant(0.0)(self.conv_out._batch_norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """[N*T, C, H, W] -> the same shape; H and W of 2 or more."""
        embedded = self.mode != "gaussian"
        values = self._positions(self._pooled(self.g(x)))  # [N, Q, C/2]
        keys = self._positions(self._pooled(self.phi(x) if embedded else x))  # [N, Q, C/2 or C]
        queries = self._positions(self.theta(x) if embedded else x)  # [N, P, C/2 or C]
        weights = paddle.matmul(queries, keys, transpose_y=True)  # [N, P, Q]
        weights = weights / keys.shape[1] if self.mode == "dot_product" else F.softmax(weights, axis=-1)
        return x + self.conv_out(self._frames(paddle.matmul(weights, values), x))

    def _pooled(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 2, stride=2, data_format=self.data_format)

    def _positions(self, x: Tensor) -> Tensor:
        """[N*T, C, H, W] -> [N, T*H*W, C]."""
        if self.data_format == "NHWC":
            _, height, width, channels = x.shape
            return x.reshape([-1, self.num_seg * height * width, channels])
        _, channels, height, width = x.shape
        clips = x.reshape([-1, self.num_seg, channels, height * width]).transpose([0, 1, 3, 2])  # [N, T, H*W, C]
        return clips.reshape([-1, self.num_seg * height * width, channels])

    def _frames(self, y: Tensor, like: Tensor) -> Tensor:
        """[N, T*H*W, C/2] -> [N*T, C/2, H, W], the axis order and size being those of `like`."""
        if self.data_format == "NHWC":
            return y.reshape([-1, *like.shape[1:3], y.shape[2]])
        height, width = like.shape[2:]
        return y.reshape([-1, height * width, y.shape[2]]).transpose([0, 2, 1]).reshape([-1, y.shape[2], height, width])
