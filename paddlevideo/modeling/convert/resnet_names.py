"""ResNets of the PyTorch world, whose names are torchvision's at heart, and their names and settings here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from paddlevideo.modeling.backbones.resnet import BLOCKS, block_name
from paddlevideo.utils.errors import UserError

STATISTICS = {"running_mean": "_mean", "running_var": "_variance"}
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
# Of a non-local block: mmaction2's names (mmcv NonLocal3d), then those of mit-han-lab
NON_LOCAL = {
    "theta.conv": "theta",
    "phi.0.conv": "phi",
    "g.0.conv": "g",
    "conv_out.conv": "conv_out._conv",
    "conv_out.bn": "conv_out._batch_norm",
    "theta": "theta",
    "phi.0": "phi",
    "g.0": "g",
    "W.0": "conv_out._conv",
    "W.1": "conv_out._batch_norm",
}
STEM_VD = {"conv1.0": "conv1_1", "conv1.1": "conv1_1", "conv1.3": "conv1_2", "conv1.4": "conv1_2", "conv1.6": "conv1_3"}


def depth_of(names: Iterable[str]) -> int | None:
    """The depth whose stages have the blocks that torchvision's `names` show; None when they show none.

    Raises:
        UserError: when no depth has these blocks.
    """
    blocks = {(int(m[1]), int(m[2])) for name in names if (m := re.match(r"layer(\d)\.(\d+)\.", name))}
    if not blocks:
        return None
    counts = tuple(sum(stage == wanted for stage, _ in blocks) for wanted in (1, 2, 3, 4))
    bottleneck = any(re.match(r"layer\d\.\d+\.conv3\.", name) for name in names)
    for depth, wanted in BLOCKS.items():
        if counts == tuple(wanted) and bottleneck == (depth >= 50):
            return depth
    raise UserError(f"{counts} blocks in the stages are not those of a ResNet of depth {', '.join(map(str, BLOCKS))}")


def paddle_name(name: str, depth: int | None, vd: bool = False) -> str:
    """A backbone's torchvision name as PaddleVideo's: layer1.0.bn2.running_var -> res2a.conv1._batch_norm._variance."""
    *path, last = name.split(".")
    owner = ".".join(path)
    last = STATISTICS.get(last, last)
    if owner in STEM_VD and vd:
        return f"{STEM_VD[owner]}.{'_conv' if owner in ('conv1.0', 'conv1.3', 'conv1.6') else '_batch_norm'}.{last}"
    if owner in ("conv1", "bn1"):
        return f"{'conv1_3' if vd else 'conv'}.{'_conv' if owner == 'conv1' else '_batch_norm'}.{last}"
    stage, i, unit = int(path[0].removeprefix("layer")) - 1, int(path[1]), path[2]
    block = f"bb_{stage}_{i}" if vd else block_name(depth or 50, stage, i)
    if unit == "non_local":
        return f"{block}.non_local.{NON_LOCAL['.'.join(path[3:])]}.{last}"
    if unit == "downsample":
        conv = path[3] == ("1" if vd else "0")  # of a vd model, 0 is the pooling
        return f"{block}.short.{'_conv' if conv else '_batch_norm'}.{last}"
    return f"{block}.conv{int(unit[-1]) - 1}.{'_conv' if unit.startswith('conv') else '_batch_norm'}.{last}"


def non_local_of(names: Iterable[str], depth: int) -> list[list[int]] | None:
    """For each stage and block 1 where a non-local block follows, else 0; None when none does."""
    places = {(int(m[1]), int(m[2])) for name in names if (m := re.match(r"layer(\d)\.(\d+)\.non_local\.", name))}
    flags = [[int((stage, i) in places) for i in range(count)] for stage, count in enumerate(BLOCKS[depth], 1)]
    return flags if places else None


def refuse_basic_blocks(depth: int | None) -> None:
    """Depths 18 and 34: PyTorch's first stage adds its input as it is, PaddleVideo's projects it."""
    if depth in (18, 34):
        raise UserError(
            f"a ResNet-{depth} of PyTorch cannot be converted: its first block adds its input as it is, where "
            f"PaddleVideo's has a projection that this file has no weights for"
        )


def shift_every(shifted: Iterable[str], names: Iterable[str]) -> int:
    """1 when every block shifts, 2 when blocks 0, 2, 4 ... of each stage do, 0 when none does.

    Args:
        shifted: the blocks, such as "layer1.0", whose first convolution is wrapped.
        names: all names, which tell the blocks there are.
    """
    blocks = {m[0] for name in names if (m := re.match(r"layer\d\.\d+", name))}
    shifted = set(shifted)
    if not shifted:
        return 0
    for every in (1, 2):
        if shifted == {block for block in blocks if int(block.split(".")[1]) % every == 0}:
            return every
    raise UserError(f"{len(shifted)} of {len(blocks)} blocks shift in time, neither every one nor every second one")


def recognizer(backbone: dict[str, Any], head: str, classes: tuple[int, ...]) -> dict[str, Any]:
    """The MODEL section for a backbone and a classifier weight of shape `classes`, [K, C]."""
    num_classes, in_channels = classes if len(classes) == 2 else (400, 2048)
    return {
        "framework": "Recognizer2D",
        "backbone": backbone,
        "head": {"name": head, "num_classes": num_classes, "in_channels": in_channels},
    }
