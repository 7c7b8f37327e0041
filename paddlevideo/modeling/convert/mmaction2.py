"""mmaction2, 0.x and 1.x: TSN, TSM and TimeSformer."""

from __future__ import annotations

import re

from paddlevideo.modeling.convert import resnet_names, transformer_names
from paddlevideo.modeling.convert.plan import BN, WB, Plan, Source, rename
from paddlevideo.modeling.convert.video_resnet import video_resnet
from paddlevideo.utils.errors import UserError

# A block stands inside `net` where a temporal pooling wraps its stage, and inside `block` where a non-local one does.
BLOCK = r"backbone\.(layer\d)\.(?:net\.)?(\d+)\.(?:block\.)?"
NON_LOCAL = r"backbone\.(layer\d)\.(?:net\.)?(\d+)\.non_local_block\."
RESNET = [
    (r"backbone\.conv1\.conv\.weight", "conv1.weight"),
    (rf"backbone\.conv1\.bn\.{BN}", r"bn1.\1"),
    (rf"{BLOCK}conv(\d)\.conv\.(?:net\.)?weight", r"\1.\2.conv\3.weight"),
    (rf"{BLOCK}conv(\d)\.bn\.{BN}", r"\1.\2.bn\3.\4"),
    (rf"{BLOCK}downsample\.conv\.weight", r"\1.\2.downsample.0.weight"),
    (rf"{BLOCK}downsample\.bn\.{BN}", r"\1.\2.downsample.1.\3"),
    (rf"{NON_LOCAL}(theta\.conv|phi\.0\.conv|g\.0\.conv|conv_out\.conv)\.{WB}", r"\1.\2.non_local.\3.\4"),
    (rf"{NON_LOCAL}(conv_out\.bn)\.{BN}", r"\1.\2.non_local.\3.\4"),
    (rf"cls_head\.fc_cls\.{WB}", r"head.fc.\1"),
]
LAYER = r"backbone\.transformer_layers\.layers\.(\d+)\."
TRANSFORMER = [
    (r"backbone\.(cls_token|pos_embed|time_embed)", r"\1"),
    (rf"backbone\.patch_embed\.projection\.{WB}", r"patch_embed.proj.\1"),
    (rf"backbone\.norm\.{WB}", r"norm.\1"),
    (rf"{LAYER}ffns\.0\.layers\.0\.0\.{WB}", r"blocks.\1.mlp.fc1.\2"),
    (rf"{LAYER}ffns\.0\.layers\.1\.{WB}", r"blocks.\1.mlp.fc2.\2"),
    (rf"cls_head\.fc_cls\.{WB}", r"head.fc.\1"),
]
DIVIDED = [
    (rf"{LAYER}attentions\.0\.norm\.{WB}", r"blocks.\1.temporal_norm1.\2"),
    (rf"{LAYER}attentions\.0\.attn\.in_proj_{WB}", r"blocks.\1.temporal_attn.qkv.\2"),
    (rf"{LAYER}attentions\.0\.attn\.out_proj\.{WB}", r"blocks.\1.temporal_attn.proj.\2"),
    (rf"{LAYER}attentions\.0\.temporal_fc\.{WB}", r"blocks.\1.temporal_fc.\2"),
    (rf"{LAYER}attentions\.1\.norm\.{WB}", r"blocks.\1.norm1.\2"),
    (rf"{LAYER}attentions\.1\.attn\.in_proj_{WB}", r"blocks.\1.attn.qkv.\2"),
    (rf"{LAYER}attentions\.1\.attn\.out_proj\.{WB}", r"blocks.\1.attn.proj.\2"),
    (rf"{LAYER}ffns\.0\.norm\.{WB}", r"blocks.\1.norm2.\2"),
]
UNDIVIDED = [
    (rf"{LAYER}attentions\.0\.attn\.in_proj_{WB}", r"blocks.\1.attn.qkv.\2"),
    (rf"{LAYER}attentions\.0\.attn\.out_proj\.{WB}", r"blocks.\1.attn.proj.\2"),
    (rf"{LAYER}norms\.0\.{WB}", r"blocks.\1.norm1.\2"),
    (rf"{LAYER}norms\.1\.{WB}", r"blocks.\1.norm2.\2"),
]
INSIDE = r"backbone\.|cls_head\."
MOMENTS_IN_TIME = 339  # classes; mmaction2's first Something-Something V2 configs asked for as many by mistake


def recognise(source: Source) -> Plan | None:
    """The plan for a file of mmaction2; None for anything else."""
    names = source.arrays
    if any(name.startswith("backbone.transformer_layers.layers.") for name in names):
        return _transformer(source)
    if any(re.match(r"backbone\.(conv1\.conv|layer\d\.(net\.)?\d+\.(block\.)?conv\d\.conv)\.", name) for name in names):
        return _resnet(source)
    return None


def _resnet(source: Source) -> Plan:
    arrays = source.arrays
    if any(array.ndim == 5 for name, array in arrays.items() if ".non_local_block." not in name):
        raise UserError("its convolutions are three-dimensional (I3D, SlowOnly and the like); no model here has such")
    if block := next((name for name in arrays if re.match(r"backbone\.layer\d\.\d+\.net\.", name)), None):
        raise UserError(f"it shifts whole blocks (shift_place='block', {block}), where the models here shift a branch")
    canonical, dropped = rename(arrays, RESNET, INSIDE, "mmaction2")
    classes = source.shape("cls_head.fc_cls.weight")
    plan = video_resnet("mmaction2", source, canonical, dropped, classes)
    plan.normalization = _pixels(source.text) or resnet_names.IMAGENET
    if classes[:1] == (MOMENTS_IN_TIME,):
        plan.notes.append(
            f"{MOMENTS_IN_TIME} classes: where the model was trained on Something-Something V2, only the first 174 "
            f"mean anything, and --to a config of 174 classes keeps those alone"
        )
    return plan


def _transformer(source: Source) -> Plan:
    divided = any(".attentions.1." in name for name in source.arrays)
    rules = TRANSFORMER + (DIVIDED if divided else UNDIVIDED)
    short, dropped = rename(source.arrays, rules, INSIDE, "mmaction2 TimeSformer")
    names = {name: new if new.startswith("head.") else f"backbone.{new}" for name, new in short.items()}
    backbone = transformer_names.backbone_of({new: source.shape(name) for name, new in short.items()})
    return Plan(
        "mmaction2 TimeSformer",
        names,
        dropped,
        transformer_names.recognizer(backbone, source.shape("cls_head.fc_cls.weight")),
        ("VisionTransformer", "VisionTransformer_tweaks"),
        transformer_names.SETTINGS,
        normalization=_pixels(source.text) or ([0.5] * 3, [0.5] * 3),
        notes=[transformer_names.NOTE],
    )


def _pixels(text: str) -> tuple[list[float], list[float]] | None:
    """Mean and standard deviation that the training config inside the file states, in the scale 0..1."""
    found = []
    for key in ("mean", "std"):
        match = re.search(rf"\b{key}\s*=\s*[\[(]([\d., ]+)[\])]", text)
        numbers = [float(number) / 255 for number in match[1].split(",") if number.strip()] if match else []
        if len(numbers) != 3:
            return None
        found.append([round(number, 6) for number in numbers])
    return found[0], found[1]
