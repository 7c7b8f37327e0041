"""ResNet on single frames, and the frame of stages and blocks that the whole family is built on.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, with the stride of a bottleneck on its
3x3 convolution. Shapes: N clips, T frames each, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, TypeAlias

from paddle import Tensor, nn

from paddlevideo.modeling.layers.activation import relu
from paddlevideo.modeling.layers.conv_bn import ConvBN, DataFormat
from paddlevideo.registry import BACKBONES

Depth: TypeAlias = Literal[18, 34, 50, 101, 152, 200]
Activation: TypeAlias = Callable[[Tensor], Tensor]

BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 12, 48, 3),
}
WIDTHS = (64, 128, 256, 512)
# Units of the part before the stages: name, channels in and out, kernel, stride
STEM = (("conv", 3, 64, 7, 2),)


def no_shift(stage: int, i: int) -> None:
    """For a network whose blocks see one frame each."""


class BasicBlock(nn.Layer):
    """Two 3x3 convolutions and a short cut.

    Args:
        in_channels: channels of the input.
        width: channels of the convolutions; the output has `width * expansion`.
        stride: of the first 3x3 convolution and of the short cut.
        unit: makes the convolutions, called as `ConvBN` (in, out, kernel, stride).
        short: makes the short cut, called likewise; None: it is the input itself.
        shift: applied to the input of the first convolution only; the short cut sees the frames as they came.
        activation: after each unit but the last, and after the sum; it may overwrite what it is given.

    Attributes:
        out_channels: width * expansion.
        non_local: a layer that follows the block, or None; to be set from outside.
    """

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        unit: Callable[..., ConvBN],
        short: Callable[..., ConvBN] | None,
        shift: nn.Layer | None,
        activation: Activation,
    ) -> None:
        super().__init__()
        self.shift = shift
        self.activation = activation
        self.non_local: nn.Layer | None = None
        self.out_channels = width * self.expansion
        for i, sizes in enumerate(self.units(in_channels, width, stride)):
            self.add_sublayer(f"conv{i}", unit(*sizes))
        self.short = None if short is None else short(in_channels, self.out_channels, 1, stride)

    @staticmethod
    def units(in_channels: int, width: int, stride: int) -> list[tuple[int, int, int, int]]:
        """(in, out, kernel, stride) of each convolution in turn."""
        return [(in_channels, width, 3, stride), (width, width, 3, 1)]

    def residual(self, x: Tensor) -> Tensor:
        """What is added to the short cut; no activation at its end."""
        return self.conv1(self.activation(self.conv0(x)))

    def forward(self, x: Tensor) -> Tensor:
        """[N*T, C, H, W] -> [N*T, width * expansion, H / stride, W / stride]."""
        residual = self.residual(x if self.shift is None else self.shift(x))
        x = self.activation(residual + (x if self.short is None else self.short(x)))
        return x if self.non_local is None else self.non_local(x)


class Bottleneck(BasicBlock):
    """1x1, 3x3 and 1x1 convolutions and a short cut; the last one widens four times."""

    expansion = 4

    @staticmethod
    def units(in_channels: int, width: int, stride: int) -> list[tuple[int, int, int, int]]:
        """(in, out, kernel, stride) of each convolution in turn."""
        return [(in_channels, width, 1, 1), (width, width, 3, stride), (width, width * 4, 1, 1)]

    def residual(self, x: Tensor) -> Tensor:
        """What is added to the short cut; no activation at its end."""
        return self.conv2(self.activation(self.conv1(self.activation(self.conv0(x)))))


def block_name(depth: int, stage: int, i: int) -> str:
    """PaddleVideo's name of block `i` of stage 0..3: res2a, res2b ...; res4a, res4b1, res4b2 ... in deep models."""
    if stage == 2 and depth >= 101:
        return "res4a" if i == 0 else f"res4b{i}"
    return f"res{stage + 2}{chr(ord('a') + i)}"


class ResNetStages(nn.Layer):
    """Stem and four stages of residual blocks, the part that all ResNets here have in common.

    Args:
        depth: 18 and 34 use basic blocks, the others bottlenecks.
        shift_of: the temporal shift of block `i` of stage 0..3, or None for a block without.
        stem: the units before the first pooling, as `STEM`.
        name_of: the name of block `i` of stage 0..3 of a network of some depth.
        averaged_short: whether a short cut averages where it would stride, see `ConvBN`.
        activation: after every unit but those that end in a sum, and after every sum.
        temporal_pool: a layer that halves the frames, between the first and the second stage.
        lr_mults: learning rate multiplier of the stem and of each stage.
        decay_bn, data_format: as in `ConvBN`.

    Attributes:
        out_channels: C of the feature map, 512 or 2048.
        stages: the names of the blocks of each stage.
        frame_stride: frames that go in for one that comes out: 1, or 2 with `temporal_pool`.

    Raises:
        ValueError: for another depth or data format, or multipliers that are not five numbers of 0 or more.
    """

    def __init__(
        self,
        depth: int,
        shift_of: Callable[[int, int], nn.Layer | None],
        *,
        stem: Sequence[tuple[str, int, int, int, int]] = STEM,
        name_of: Callable[[int, int, int], str] = block_name,
        averaged_short: bool = False,
        activation: Activation = relu,
        lr_mults: Sequence[float] = (1.0,) * 5,
        temporal_pool: nn.Layer | None = None,
        decay_bn: bool,
        data_format: DataFormat,
    ) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise ValueError(f"depth={depth} is not one of {', '.join(map(str, BLOCKS))}")
        if data_format not in ("NCHW", "NHWC"):
            raise ValueError(f"data_format={data_format!r} is neither 'NCHW' nor 'NHWC'")
        if len(lr_mults) != 5 or min(lr_mults) < 0:
            raise ValueError(f"lr_mult_list={list(lr_mults)} must be five numbers of 0 or more: stem and four stages")
        self.data_format = data_format
        self.activation = activation
        units = [partial(ConvBN, decay_bn=decay_bn, lr_mult=rate, data_format=data_format) for rate in lr_mults]
        for name, *sizes in stem:
            self.add_sublayer(name, units[0](*sizes))
        self.stem_names = [name for name, *_ in stem]
        self.pool = nn.MaxPool2D(3, stride=2, padding=1, data_format=data_format)
        self.temporal_pool = temporal_pool
        self.frame_stride = 1 if temporal_pool is None else 2
        self.stages = [[name_of(depth, stage, i) for i in range(count)] for stage, count in enumerate(BLOCKS[depth])]
        block_type = BasicBlock if depth < 50 else Bottleneck
        self.out_channels = 64
        for stage, (names, width, unit) in enumerate(zip(self.stages, WIDTHS, units[1:])):
            for i, name in enumerate(names):
                stride = 2 if i == 0 and stage > 0 else 1
                short = partial(unit, averaged=averaged_short) if i == 0 else None
                block = block_type(self.out_channels, width, stride, unit, short, shift_of(stage, i), activation)
                self.add_sublayer(name, block)
                self.out_channels = block.out_channels

    def stem(self, x: Tensor) -> Tensor:
        """Frames [N*T, 3, H, W] -> [N*T, 64, H/4, W/4]."""
        for name in self.stem_names:
            x = self.activation(getattr(self, name)(x))
        return self.pool(x)

    def forward(self, x: Tensor) -> Tensor:
        """Frames [N*T, 3, H, W] -> features [N*T / frame_stride, out_channels, H/32, W/32] (sizes rounded up)."""
        x = self.stem(x)
        for stage, names in enumerate(self.stages):
            if stage == 1 and self.temporal_pool is not None:
                x = self.temporal_pool(x)
            for name in names:
                x = getattr(self, name)(x)
        return x


@BACKBONES.register
class ResNet(ResNetStages):
    """ResNet for TSN: each frame by itself.

    Args:
        depth: 18, 34, 50, 101, 152 or 200.
        pretrained: weight file for the backbone, read by whoever builds the model for training; None or "" for none.
        data_format: axis order of the frames.

    Attributes:
        num_seg: 1, for the frames of a clip may be any number.
    """

    def __init__(self, depth: Depth, pretrained: str | None = None, data_format: DataFormat = "NCHW") -> None:
        super().__init__(depth, no_shift, decay_bn=True, data_format=data_format)
        self.pretrained = pretrained
        self.num_seg = 1
