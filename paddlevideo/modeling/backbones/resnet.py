"""ResNet on single frames, the backbone of TSN.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, with the stride of a bottleneck on its
3x3 convolution. Shapes: N clips, T frames each, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from paddle import Tensor, nn
from paddle.nn import functional as F

from paddlevideo.modeling.layers.conv_bn import ConvBN, DataFormat
from paddlevideo.registry import BACKBONES

Depth: TypeAlias = Literal[18, 34, 50, 101, 152]

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
WIDTHS = (64, 128, 256, 512)


class BasicBlock(nn.Layer):
    """Two 3x3 convolutions and a short cut.

    Args:
        in_channels: channels of the input.
        width: channels of the convolutions; the output has `width * expansion`.
        stride: of the first convolution and of the short cut.
        project: whether the short cut is a 1x1 convolution rather than the input itself.
        shift: applied to the input of the first convolution only; the short cut sees the frames as they came.
        decay_bn, data_format: as in `ConvBN`.
    """

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        project: bool,
        shift: nn.Layer | None,
        *,
        decay_bn: bool,
        data_format: DataFormat,
    ) -> None:
        super().__init__()
        self.shift = shift
        for i, (fan_in, fan_out, kernel, step) in enumerate(self.units(in_channels, width, stride)):
            self.add_sublayer(
                f"conv{i}", ConvBN(fan_in, fan_out, kernel, step, decay_bn=decay_bn, data_format=data_format)
            )
        self.short = None
        if project:
            self.short = ConvBN(
                in_channels, width * self.expansion, 1, stride, decay_bn=decay_bn, data_format=data_format
            )

    @staticmethod
    def units(in_channels: int, width: int, stride: int) -> list[tuple[int, int, int, int]]:
        """(in, out, kernel, stride) of each convolution in turn."""
        return [(in_channels, width, 3, stride), (width, width, 3, 1)]

    def residual(self, x: Tensor) -> Tensor:
        """What is added to the short cut; no activation at its end."""
        return self.conv1(F.relu(self.conv0(x)))

    def forward(self, x: Tensor) -> Tensor:
        """[N*T, C, H, W] -> [N*T, width * expansion, H / stride, W / stride]."""
        residual = self.residual(x if self.shift is None else self.shift(x))
        return F.relu(residual + (x if self.short is None else self.short(x)))


class Bottleneck(BasicBlock):
    """1x1, 3x3 and 1x1 convolutions and a short cut; the last one widens four times."""

    expansion = 4

    @staticmethod
    def units(in_channels: int, width: int, stride: int) -> list[tuple[int, int, int, int]]:
        """(in, out, kernel, stride) of each convolution in turn."""
        return [(in_channels, width, 1, 1), (width, width, 3, stride), (width, width * 4, 1, 1)]

    def residual(self, x: Tensor) -> Tensor:
        """What is added to the short cut; no activation at its end."""
        return self.conv2(F.relu(self.conv1(F.relu(self.conv0(x)))))


class ResNetStages(nn.Layer):
    """Stem and four stages of residual blocks, the part that ResNet and ResNetTSM have in common.

    Args:
        depth: 18 and 34 use basic blocks, the others bottlenecks.
        shift_of: the temporal shift of the i-th block of a stage, or None for a block without.
        decay_bn, data_format: as in `ConvBN`.

    Attributes:
        out_channels: C of the feature map, 512 or 2048.

    Raises:
        ValueError: for another depth or data format.
    """

    def __init__(
        self,
        depth: int,
        shift_of: Callable[[int], nn.Layer | None],
        *,
        decay_bn: bool,
        data_format: DataFormat,
    ) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise ValueError(f"depth={depth} is not one of {', '.join(map(str, BLOCKS))}")
        if data_format not in ("NCHW", "NHWC"):
            raise ValueError(f"data_format={data_format!r} is neither 'NCHW' nor 'NHWC'")
        self.data_format = data_format
        self.conv = ConvBN(3, 64, 7, 2, decay_bn=decay_bn, data_format=data_format)
        self.pool = nn.MaxPool2D(3, stride=2, padding=1, data_format=data_format)
        block_type = BasicBlock if depth < 50 else Bottleneck
        self.block_names: list[str] = []
        channels = 64
        for stage, (num_blocks, width) in enumerate(zip(BLOCKS[depth], WIDTHS)):
            for i in range(num_blocks):
                name = block_name(depth, stage, i)
                block = block_type(
                    channels,
                    width,
                    stride=2 if i == 0 and stage > 0 else 1,
                    project=i == 0,
                    shift=shift_of(i),
                    decay_bn=decay_bn,
                    data_format=data_format,
                )
                self.add_sublayer(name, block)
                self.block_names.append(name)
                channels = width * block_type.expansion
        self.out_channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Frames [N*T, 3, H, W] -> features [N*T, out_channels, H/32, W/32] (sizes rounded up)."""
        x = self.pool(F.relu(self.conv(x)))  # [N*T, 64, H/4, W/4]
        for name in self.block_names:
            x = getattr(self, name)(x)
        return x


def block_name(depth: int, stage: int, i: int) -> str:
    """PaddleVideo's name of block `i` of stage 0..3: res2a, res2b ...; res4a, res4b1, res4b2 ... in deep models."""
    if stage == 2 and depth in (101, 152):
        return "res4a" if i == 0 else f"res4b{i}"
    return f"res{stage + 2}{chr(ord('a') + i)}"


@BACKBONES.register
class ResNet(ResNetStages):
    """ResNet for TSN: each frame by itself.

    Args:
        depth: 18, 34, 50, 101 or 152.
        pretrained: weight file for the backbone, read by whoever builds the model for training; None or "" for none.
        data_format: axis order of the frames.

    Attributes:
        num_seg: 1, for the frames of a clip may be any number.
    """

    def __init__(self, depth: Depth, pretrained: str | None = None, data_format: DataFormat = "NCHW") -> None:
        super().__init__(depth, lambda i: None, decay_bn=True, data_format=data_format)
        self.pretrained = pretrained
        self.num_seg = 1
