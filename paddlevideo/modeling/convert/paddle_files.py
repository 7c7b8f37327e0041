"""PaddleVideo's own files, and ours: the names stay, only the container may change."""

from __future__ import annotations

from paddlevideo.modeling.convert.plan import Plan, Source

OURS = ("backbone.", "head.fc.")


def recognise(source: Source) -> Plan | None:
    """The plan for arrays under PaddleVideo's names; None for anything else."""
    names = source.arrays
    known = any("._conv.weight" in f".{name}" or name == "head.fc.weight" for name in names)
    known = known or "blocks.0.attn.qkv.weight" in names  # the torch layout of these names was recognised before
    if source.container == "torch" or not (source.container == "paddle" or known):
        return None
    whole = any(name.startswith(OURS) for name in names)
    return Plan(
        "PaddleVideo",
        {name: name for name in names},
        {},
        backbone_only=not whole,
        torch_layout=False,
        notes=["the names stay as they are; the model's settings are those of the config it was trained with"],
    )
