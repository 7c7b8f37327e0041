"""Backbones: frames in, a feature map for every frame out."""

from paddlevideo.modeling.backbones.convnet import ConvNet
from paddlevideo.modeling.backbones.resnet import ResNet
from paddlevideo.modeling.backbones.resnet_tsm import ResNetTSM

__all__ = ["ConvNet", "ResNet", "ResNetTSM"]
