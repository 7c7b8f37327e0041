"""TSN and TSM trained with PyTorch: from torchvision's names, with what the wrappers in them say, to a plan."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from paddlevideo.modeling.convert import resnet_names
from paddlevideo.modeling.convert.clips import clip_settings
from paddlevideo.modeling.convert.plan import Plan, Source


def video_resnet(
    whose: str, source: Source, canonical: Mapping[str, str], dropped: dict[str, str], classes: tuple[int, ...]
) -> Plan:
    """The plan for a video model on a ResNet.

    Args:
        canonical: name in the file -> torchvision's name of the same, "head.fc.*" for the classifier.
        classes: shape of the classifier's weight, [K, C]; () when the file has none.

    Raises:
        UserError: the network is none that can be built here.
    """
    names = canonical.values()
    depth = resnet_names.depth_of(names)
    resnet_names.refuse_basic_blocks(depth)
    targets = {
        name: new if new.startswith("head.") else f"backbone.{resnet_names.paddle_name(new, depth)}"
        for name, new in canonical.items()
    }
    plan = Plan(whose, targets, dropped, normalization=resnet_names.IMAGENET)
    plan.folded = {  # a convolution's bias before a normalisation moves its mean
        name: targets.pop(name).replace("_conv.bias", "_batch_norm._mean")
        for name in list(targets)
        if targets[name].endswith("conv_out._conv.bias")
    }
    if depth is None:
        plan.notes.append("no residual blocks: too little of a network to name its model")
        return plan
    shifted = {
        ".".join(new.split(".")[:2]) for name, new in canonical.items() if re.search(r"\.conv1\.(conv\.)?net\.", name)
    }
    every = resnet_names.shift_every(shifted, names)
    plan.source = f"{whose} {'TSM' if every else 'TSN'}, ResNet-{depth}"
    if every:
        backbone = _tsm_backbone(plan, source, canonical, depth, every)
        plan.model = resnet_names.recognizer(backbone, "TSMHead", classes)
    else:
        plan.fits, plan.settings = ("ResNet",), ("depth",)
        plan.model = resnet_names.recognizer({"name": "ResNet", "depth": depth}, "TSNHead", classes)
    return plan


def _tsm_backbone(plan: Plan, source: Source, canonical: Mapping[str, str], depth: int, every: int) -> dict[str, Any]:
    """The backbone's arguments; what they rest on goes into the plan."""
    clips = clip_settings(source)
    plan.notes.append(clips.note)
    plan.fits = ("ResNetTSM",)
    backbone: dict[str, Any] = {
        "name": "ResNetTSM",
        "depth": depth,
        "num_seg": clips.num_seg,
        "shift_ratio": clips.shift_ratio,
        "shift_direction": "torch",
        "shift_every": every,
        "temporal_pool": any(re.search(r"\.layer2\.net\.", name) for name in canonical),
    }
    if non_local := resnet_names.non_local_of(canonical.values(), depth):
        backbone |= {"non_local": non_local, "non_local_mode": _mode(plan, source)}
    plan.settings = tuple(key for key in backbone if key != "name" and (key != "num_seg" or clips.known))
    return backbone


def _mode(plan: Plan, source: Source) -> str:
    """The formula of the non-local blocks: without an embedding "gaussian"; otherwise the names cannot tell."""
    if not any(".non_local.theta." in target for target in plan.names.values()):
        return "gaussian"
    match = re.search(r"mode\s*=\s*'(embedded_gaussian|dot_product)'", source.text)
    if not match:
        plan.notes.append("non-local blocks taken as embedded_gaussian; dot_product ones look the same in a file")
    return match[1] if match else "embedded_gaussian"
