"""A small plain network for small frames, which trains on a CPU in a minute or two."""

from __future__ import annotations

from paddle import Tensor, nn
from paddle.nn import functional as F

from paddlevideo.modeling.layers.conv_bn import ConvBN
from paddlevideo.modeling.layers.temporal_shift import TemporalShift
from paddlevideo.registry import BACKBONES


class ConvBlock(nn.Layer):
    """Shift, 3x3 convolution, batch normalisation, ReLU. Halves the size where the number of channels changes;
    elsewhere the unshifted input is added, so that shifted channels are not lost to their own frame."""

    def __init__(self, in_channels: int, out_channels: int, shift: TemporalShift | None) -> None:
        super().__init__()
        self.shift = shift
        self.residual = in_channels == out_channels
        self.conv = ConvBN(in_channels, out_channels, 3, 1 if self.residual else 2, decay_bn=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N*T, C, H, W] -> [N*T, C, H, W], or [N*T, C', H/2, W/2]."""
        y = self.conv(x if self.shift is None else self.shift(x))
        return F.relu(x + y if self.residual else y)


@BACKBONES.register
class ConvNet(nn.Layer):
    """Blocks of 3x3 convolutions, made for frames of about 32x32.

    Args:
        channels: output channels of each block. A block that changes the number also halves the height and width.
        num_seg: T, frames of one clip, 2 or more.
        shift_ratio: share of the channels moved each way in time before each convolution (TSM); 0: no exchange
            between frames (TSN).

    Attributes:
        out_channels: channels[-1].
        num_seg: as given; 1 without shift, for the frames of a clip may then be any number.
        frame_stride: 1: as many frames come out as go in.

    Raises:
        ValueError: for a value outside its range.
    """

    def __init__(self, channels: list[int] = [16, 32, 32, 64, 64], num_seg: int = 8, shift_ratio: float = 0.25) -> None:  # noqa: B006
        super().__init__()
        if not channels or min(channels) < 1:
            raise ValueError(f"channels={channels} must be one or more positive numbers")
        shift = TemporalShift(num_seg, shift_ratio) if shift_ratio else None
        self.blocks = nn.Sequential(
            *[ConvBlock(before, after, shift) for before, after in zip([3, *channels], channels)]
        )
        self.out_channels = channels[-1]
        self.num_seg = num_seg if shift else 1
        self.frame_stride = 1
        self.data_format = "NCHW"
        self.pretrained = None

    def forward(self, x: Tensor) -> Tensor:
        """Frames [N*T, 3, H, W] -> features [N*T, out_channels, H', W'], halved at each change of channels."""
        return self.blocks(x)
