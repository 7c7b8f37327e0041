"""Backbones: frames in, a feature map for every frame out."""

from paddlevideo.modeling.backbones.convnet import ConvNet
from paddlevideo.modeling.backbones.resnet import ResNet
from paddlevideo.modeling.backbones.resnet_tsm import ResNetTSM
from paddlevideo.modeling.backbones.resnet_tweaks import ResNetTweaksTSM, ResNetTweaksTSN
from paddlevideo.modeling.backbones.vision_transformer import VisionTransformer, VisionTransformerTweaks

__all__ = [
    "ConvNet",
    "ResNet",
    "ResNetTSM",
    "ResNetTweaksTSM",
    "ResNetTweaksTSN",
    "VisionTransformer",
    "VisionTransformerTweaks",
]
