"""The TSM and TSN of their authors, github.com/mit-han-lab/temporal-shift-module."""

from __future__ import annotations

import re

from paddlevideo.modeling.convert.plan import BN, WB, Plan, Source, rename
from paddlevideo.modeling.convert.video_resnet import video_resnet
from paddlevideo.utils.errors import UserError

BLOCK = r"base_model\.(layer\d)\.(?:net\.)?(\d+)\.(?:block\.)?"
NON_LOCAL = r"base_model\.(layer\d)\.(?:net\.)?(\d+)\.nl\."
RULES = [
    (r"base_model\.conv1\.weight", "conv1.weight"),
    (rf"base_model\.bn1\.{BN}", r"bn1.\1"),
    (rf"{BLOCK}conv(\d)\.(?:net\.)?weight", r"\1.\2.conv\3.weight"),
    (rf"{BLOCK}bn(\d)\.{BN}", r"\1.\2.bn\3.\4"),
    (rf"{BLOCK}downsample\.0\.weight", r"\1.\2.downsample.0.weight"),
    (rf"{BLOCK}downsample\.1\.{BN}", r"\1.\2.downsample.1.\3"),
    (rf"{NON_LOCAL}(theta|phi\.0|g\.0|W\.0)\.{WB}", r"\1.\2.non_local.\3.\4"),
    (rf"{NON_LOCAL}(W\.1)\.{BN}", r"\1.\2.non_local.\3.\4"),
    (rf"(?:new_fc|base_model\.fc)\.{WB}", r"head.fc.\1"),
]
SOMETHING = 174  # classes of Something-Something, V1 and V2


def recognise(source: Source) -> Plan | None:
    """The plan for a file of mit-han-lab; None for anything else."""
    arrays = source.arrays
    if not any(name.startswith("base_model.") for name in arrays):
        return None
    if any(name.startswith("base_model.features.") for name in arrays):
        raise UserError("it holds mit-han-lab's MobileNetV2 (base_model.features); no model here has that backbone")
    if block := next((name for name in arrays if re.match(r"base_model\.layer\d\.\d+\.net\.", name)), None):
        raise UserError(f"it shifts whole blocks (--shift_place=block, {block}), where the models here shift a branch")
    canonical, dropped = rename(arrays, RULES, r"base_model\.|new_fc\.", "mit-han-lab")
    classes = source.shape("new_fc.weight") or source.shape("base_model.fc.weight")
    plan = video_resnet("mit-han-lab", source, canonical, dropped, classes)
    if classes[:1] == (SOMETHING,):
        plan.notes.append(
            "174 classes: mit-han-lab numbers Something-Something V1 in alphabetical order, mmaction2 in that of the "
            "data set's own list; --labels-from SORTED --labels-to LIST changes to the latter (V2 needs nothing)"
        )
    return plan
