"""Image models to start from: torchvision's and timm's ResNets, timm's vision transformers."""

from __future__ import annotations

from paddlevideo.modeling.convert import resnet_names, transformer_names
from paddlevideo.modeling.convert.plan import BN, WB, Plan, Source, rename

BLOCK = r"(layer\d)\.(\d+)\."
CLASSIFIER = "the classifier of the image data set"
RESNET = [
    (r"(conv1\.weight)", r"\1"),
    (rf"bn1\.{BN}", r"bn1.\1"),
    (rf"{BLOCK}conv(\d)\.weight", r"\1.\2.conv\3.weight"),
    (rf"{BLOCK}bn(\d)\.{BN}", r"\1.\2.bn\3.\4"),
    (rf"{BLOCK}downsample\.0\.weight", r"\1.\2.downsample.0.weight"),
    (rf"{BLOCK}downsample\.1\.{BN}", r"\1.\2.downsample.1.\3"),
]
RESNET_D = [
    (r"conv1\.([036])\.weight", r"conv1.\1.weight"),
    (rf"conv1\.([14])\.{BN}", r"conv1.\1.\2"),
    *RESNET[1:4],
    (rf"{BLOCK}downsample\.1\.weight", r"\1.\2.downsample.1.weight"),
    (rf"{BLOCK}downsample\.2\.{BN}", r"\1.\2.downsample.2.\3"),
]
TRANSFORMER = [
    (r"(cls_token|pos_embed)", r"\1"),
    (rf"(patch_embed\.proj|norm)\.{WB}", r"\1.\2"),
    (rf"blocks\.(\d+)\.(norm1|norm2|attn\.qkv|attn\.proj|mlp\.fc1|mlp\.fc2)\.{WB}", r"blocks.\1.\2.\3"),
]


def recognise(source: Source) -> Plan | None:
    """The plan for an image model's file; None for anything else."""
    names = source.arrays
    if "layer1.0.conv1.weight" in names and ("conv1.weight" in names or "conv1.0.weight" in names):
        return _resnet(source, vd="conv1.0.weight" in names)
    if (
        "blocks.0.attn.qkv.weight" in names
        and "cls_token" in names
        and not transformer_names.is_paddle_layout(source.shape("blocks.0.attn.qkv.weight"))
    ):
        return _transformer(source)
    return None


def _resnet(source: Source, vd: bool) -> Plan:
    kept, dropped = _without(source, ("fc.",))
    canonical, more = rename(kept, RESNET_D if vd else RESNET, "", "ResNet")
    depth = resnet_names.depth_of(canonical.values())
    resnet_names.refuse_basic_blocks(depth)
    names = {name: resnet_names.paddle_name(new, depth, vd) for name, new in canonical.items()}
    fits = ("ResNetTweaksTSM", "ResNetTweaksTSN") if vd else ("ResNet", "ResNetTSM")
    return Plan(
        f"an image ResNet{'-D' if vd else ''}, depth {depth} (torchvision, timm)",
        names,
        {**dropped, **more},
        resnet_names.recognizer({"name": fits[0], "depth": depth}, "ppTSMHead" if vd else "TSNHead", ()),
        fits,
        ("depth",),
        backbone_only=True,
        normalization=resnet_names.IMAGENET,
    )


def _transformer(source: Source) -> Plan:
    kept, dropped = _without(source, ("head.", "pre_logits."))
    names, more = rename(kept, TRANSFORMER, "", "vision transformer")
    backbone = transformer_names.backbone_of({new: source.shape(name) for name, new in names.items()})
    return Plan(
        "an image vision transformer (timm)",
        names,
        {**dropped, **more},
        transformer_names.recognizer(backbone, ()),
        ("VisionTransformer", "VisionTransformer_tweaks"),
        tuple(key for key in transformer_names.SETTINGS if key != "attention_type"),
        backbone_only=True,
        notes=[
            transformer_names.NOTE,
            "timm's vision transformers expect pixels with mean 0.5 and deviation 0.5, or ImageNet's: see its page",
        ],
    )


def _without(source: Source, beginnings: tuple[str, ...]) -> tuple[list[str], dict[str, str]]:
    left_out = {name: CLASSIFIER for name in source.arrays if name.startswith(beginnings)}
    return [name for name in source.arrays if name not in left_out], left_out
