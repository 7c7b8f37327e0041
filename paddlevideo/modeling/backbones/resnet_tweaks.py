"""ResNet-vd, the backbone of PP-TSM and PP-TSN.

He et al., "Bag of Tricks for Image Classification with CNNs", CVPR 2019, section 4: three 3x3 convolutions for the 7x7
one at the start, and short cuts that average where they would stride. Weights of PaddleClas load by name.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from paddlevideo.modeling.backbones.resnet import Activation, Depth, ResNetStages, block_name, no_shift
from paddlevideo.modeling.backbones.resnet_tsm import shifts
from paddlevideo.modeling.layers.activation import leaky_relu, relu
from paddlevideo.modeling.layers.conv_bn import DataFormat
from paddlevideo.modeling.layers.temporal_pool import TemporalPool
from paddlevideo.modeling.layers.temporal_shift import ShiftDirection
from paddlevideo.registry import BACKBONES

ActivationName: TypeAlias = Literal["leaky_relu", "relu"]
Multipliers: TypeAlias = tuple[float, float, float, float, float]

STEM = (("conv1_1", 3, 32, 3, 2), ("conv1_2", 32, 32, 3, 1), ("conv1_3", 32, 64, 3, 1))
ACTIVATIONS: dict[str, Activation] = {"leaky_relu": leaky_relu, "relu": relu}
SAME: Multipliers = (1.0, 1.0, 1.0, 1.0, 1.0)


def tweaks_name(depth: int, stage: int, i: int) -> str:
    """PaddleVideo's name of block `i` of stage 0..3: bb_0_0, bb_0_1 ..."""
    return f"bb_{stage}_{i}"


def _activation(name: str) -> Activation:
    if name not in ACTIVATIONS:
        raise ValueError(f"activation={name!r} is neither 'leaky_relu' nor 'relu'")
    return ACTIVATIONS[name]


@BACKBONES.register
class ResNetTweaksTSM(ResNetStages):
    """ResNet-vd with a temporal shift in every residual branch, for PP-TSM.

    Batch normalisation is left out of the weight decay. At depths 18 and 34 the blocks are named and their short cuts
    stride as in `ResNetTSM`, which is what PaddleVideo's files of these depths hold.

    Args:
        depth: 18, 34, 50, 101, 152 or 200.
        num_seg: T, frames of one clip, 2 or more. More frames than that are read as several clips in a row.
        pretrained: weight file for the backbone, read by whoever builds the model for training; None or "" for none.
        activation: "leaky_relu" (slope 0.01), or "relu" for files trained with PaddleVideo 2.0.
        lr_mult_list: learning rate multipliers of the stem and of each stage.
        data_format, shift_ratio, shift_direction, shift_every, temporal_pool: see `ResNetTSM`.

    Raises:
        ValueError: for a value outside its range.
    """

    def __init__(
        self,
        depth: Depth,
        num_seg: int = 8,
        pretrained: str | None = None,
        activation: ActivationName = "leaky_relu",
        lr_mult_list: Multipliers = SAME,
        data_format: DataFormat = "NCHW",
        shift_ratio: float | None = None,
        shift_direction: ShiftDirection = "paddle",
        shift_every: int = 1,
        temporal_pool: bool = False,
    ) -> None:
        bottlenecks = depth >= 50
        super().__init__(
            depth,
            shifts(num_seg, shift_ratio, shift_direction, shift_every, temporal_pool, data_format),
            stem=STEM,
            name_of=tweaks_name if bottlenecks else block_name,
            averaged_short=bottlenecks,
            activation=_activation(activation),
            lr_mults=lr_mult_list,
            temporal_pool=TemporalPool(num_seg) if temporal_pool else None,
            decay_bn=False,
            data_format=data_format,
        )
        self.pretrained = pretrained
        self.num_seg = num_seg


@BACKBONES.register
class ResNetTweaksTSN(ResNetStages):
    """ResNet-vd on single frames, for PP-TSN. Batch normalisation is left out of the weight decay.

    Args:
        layers: the depth: 18, 34, 50, 101, 152 or 200.
        pretrained: weight file for the backbone, read by whoever builds the model for training; None or "" for none.
        lr_mult_list: learning rate multipliers of the stem and of each stage.
        data_format: axis order of the frames.
        activation: "relu", which PaddleVideo's files were trained with, or "leaky_relu" (slope 0.01).

    Attributes:
        num_seg: 1, for the frames of a clip may be any number.

    Raises:
        ValueError: for a value outside its range.
    """

    def __init__(
        self,
        layers: Depth = 50,
        pretrained: str | None = None,
        lr_mult_list: Multipliers = SAME,
        data_format: DataFormat = "NCHW",
        activation: ActivationName = "relu",
    ) -> None:
        super().__init__(
            layers,
            no_shift,
            stem=STEM,
            name_of=tweaks_name,
            averaged_short=True,
            activation=_activation(activation),
            lr_mults=lr_mult_list,
            decay_bn=False,
            data_format=data_format,
        )
        self.pretrained = pretrained
        self.num_seg = 1
