"""What the vision transformers of all sources have in common once their arrays bear PaddleVideo's names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from paddlevideo.utils.errors import UserError

HEAD_DIM = 64  # channels of an attention head in every published model
NEEDED = {"pos_embed": 3, "patch_embed.proj.weight": 4, "blocks.0.mlp.fc1.weight": 2}  # name -> axes
NOTE = f"the weights cannot tell their number of attention heads; num_heads is embed_dim / {HEAD_DIM}, as usual"
SETTINGS = ("patch_size", "embed_dim", "depth", "mlp_ratio", "qkv_bias", "epsilon", "attention_type")


def backbone_of(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """The VisionTransformer that torch's arrays of these shapes, under the backbone's names here, belong to.

    Raises:
        UserError: when an essential array is missing or the grid of patches is not square.
    """
    for name, axes in NEEDED.items():
        if len(shapes.get(name, ())) != axes or 0 in shapes[name]:
            raise UserError(f"no array of {axes} axes becomes '{name}': this is no whole vision transformer")
    _, tokens, dim = shapes["pos_embed"]
    patch = shapes["patch_embed.proj.weight"][-1]
    blocks = {int(m[1]) for name in shapes if (m := re.match(r"blocks\.(\d+)\.", name))}
    if blocks != set(range(len(blocks))):
        raise UserError(f"{len(blocks)} blocks that are not numbered 0 to {len(blocks) - 1}")
    side = math.isqrt(tokens - 1)
    if side * side != tokens - 1:
        raise UserError(f"a grid of {tokens - 1} patches is not square")
    divided = any(".temporal_attn." in name for name in shapes)
    times = shapes.get("time_embed", ())
    return {
        "name": "VisionTransformer",
        "img_size": side * patch,
        "patch_size": patch,
        "embed_dim": dim,
        "depth": len(blocks),
        "num_heads": 1 if dim % HEAD_DIM else dim // HEAD_DIM,
        "mlp_ratio": shapes["blocks.0.mlp.fc1.weight"][0] / dim,
        "qkv_bias": "blocks.0.attn.qkv.bias" in shapes,
        "epsilon": 1e-6,
        "num_seg": times[1] if len(times) == 3 else 8,
        "attention_type": "divided_space_time" if divided else "joint_space_time" if times else "space_only",
    }


def recognizer(backbone: dict[str, Any], classes: tuple[int, ...]) -> dict[str, Any]:
    """The MODEL section for a backbone and a classifier weight of shape `classes`, [K, D]."""
    head = {"name": "TimeSformerHead", "num_classes": classes[0] if classes else 400}
    return {
        "framework": "RecognizerTransformer",
        "backbone": backbone,
        "head": {**head, "in_channels": backbone["embed_dim"]},
    }


def is_paddle_layout(qkv: tuple[int, ...]) -> bool:
    """Whether a qkv weight of this shape is [in, out], as Paddle's are under the same names."""
    return len(qkv) == 2 and qkv[1] == 3 * qkv[0]
