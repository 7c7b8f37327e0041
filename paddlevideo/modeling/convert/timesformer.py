"""TimeSformer of its authors (facebookresearch, `.pyth`) and of Hugging Face."""

from __future__ import annotations

from typing import Any

from paddlevideo.modeling.convert import transformer_names
from paddlevideo.modeling.convert.plan import WB, Plan, Source, rename, without_prefix
from paddlevideo.utils.errors import UserError

PIXELS = ([0.45] * 3, [0.225] * 3)
PARTS = r"(?:temporal_)?(?:norm1|attn\.qkv|attn\.proj)|norm2|temporal_fc|mlp\.fc1|mlp\.fc2"
AUTHORS = [
    (r"(?:model\.)?(cls_token|pos_embed|time_embed)", r"\1"),
    (rf"(?:model\.)?(patch_embed\.proj|norm)\.{WB}", r"\1.\2"),
    (rf"(?:model\.)?blocks\.(\d+)\.({PARTS})\.{WB}", r"blocks.\1.\2.\3"),
    (rf"(?:model\.)?head\.{WB}", r"head.fc.\1"),
]
EMBEDDINGS = r"(?:timesformer\.)?embeddings\."
LAYER = r"(?:timesformer\.)?encoder\.layer\.(\d+)\."
HUGGING_FACE = [
    (rf"{EMBEDDINGS}cls_token", "cls_token"),
    (rf"{EMBEDDINGS}position_embeddings", "pos_embed"),
    (rf"{EMBEDDINGS}time_embeddings", "time_embed"),
    (rf"{EMBEDDINGS}patch_embeddings\.projection\.{WB}", r"patch_embed.proj.\1"),
    (rf"{LAYER}temporal_layernorm\.{WB}", r"blocks.\1.temporal_norm1.\2"),
    (rf"{LAYER}temporal_attention\.attention\.qkv\.{WB}", r"blocks.\1.temporal_attn.qkv.\2"),
    (rf"{LAYER}temporal_attention\.output\.dense\.{WB}", r"blocks.\1.temporal_attn.proj.\2"),
    (rf"{LAYER}temporal_dense\.{WB}", r"blocks.\1.temporal_fc.\2"),
    (rf"{LAYER}layernorm_before\.{WB}", r"blocks.\1.norm1.\2"),
    (rf"{LAYER}attention\.attention\.qkv\.{WB}", r"blocks.\1.attn.qkv.\2"),
    (rf"{LAYER}attention\.output\.dense\.{WB}", r"blocks.\1.attn.proj.\2"),
    (rf"{LAYER}layernorm_after\.{WB}", r"blocks.\1.norm2.\2"),
    (rf"{LAYER}intermediate\.dense\.{WB}", r"blocks.\1.mlp.fc1.\2"),
    (rf"{LAYER}output\.dense\.{WB}", r"blocks.\1.mlp.fc2.\2"),
    (rf"(?:timesformer\.)?layernorm\.{WB}", r"norm.\1"),
    (rf"classifier\.{WB}", r"head.fc.\1"),
]


def recognise(source: Source) -> Plan | None:
    """The plan for a TimeSformer; None for anything else."""
    names = source.arrays
    if any("encoder.layer." in name and (".temporal_attention." in name or name[0] == "t") for name in names):
        return _plan(source, HUGGING_FACE, "TimeSformer of Hugging Face")
    bare = without_prefix(names, "model.")
    video = "time_embed" in bare or any(".temporal_attn." in name for name in bare) or bare.keys() != names.keys()
    if (
        video
        and "blocks.0.attn.qkv.weight" in bare
        and not transformer_names.is_paddle_layout(bare["blocks.0.attn.qkv.weight"].shape)
    ):
        return _plan(source, AUTHORS, "TimeSformer of facebookresearch")
    return None


def _plan(source: Source, rules: list[tuple[str, str]], whose: str) -> Plan:
    short, dropped = rename(source.arrays, rules, "", whose)
    if len(set(short.values())) != len(short):
        raise UserError(f"two arrays of this {whose} have the same meaning")
    names = {name: new if new.startswith("head.") else f"backbone.{new}" for name, new in short.items()}
    shapes = {new: source.shape(name) for name, new in short.items()}
    backbone: dict[str, Any] = transformer_names.backbone_of(shapes)
    return Plan(
        whose,
        names,
        dropped,
        transformer_names.recognizer(backbone, shapes.get("head.fc.weight", ())),
        ("VisionTransformer", "VisionTransformer_tweaks"),
        transformer_names.SETTINGS,
        normalization=PIXELS,
        notes=[transformer_names.NOTE],
    )
