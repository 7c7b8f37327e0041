"""Where Paddle versions differ."""

from __future__ import annotations

import inspect
import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import paddle

from paddlevideo.utils.environment import LEGACY_PROGRAM


def classes_with(module: Any, tables: Mapping[str, list[Any]], ours: Collection[str] = ()) -> Iterator[Any]:
    """(name, class, fields) for the classes this Paddle has; of the fields, those its class takes and `ours`."""
    for name, own in tables.items():
        if hasattr(module, name):
            takes = {*inspect.signature(getattr(module, name)).parameters, *ours}
            yield name, getattr(module, name), [item for item in own if item[0] in takes]


def pdmodel_is_native() -> bool:
    """Whether .pdmodel is this Paddle's own form (2.x). Paddle 3 writes .json unless told otherwise at import."""
    return int(paddle.__version__.split(".")[0]) < 3


def writes_pdmodel() -> bool:
    """Whether this process writes .pdmodel programs."""
    return pdmodel_is_native() or os.environ.get(LEGACY_PROGRAM) == "0"


def optimizer_state(optimizer: Any) -> dict[str, Any]:
    """`optimizer.state_dict()`, whole also between loading a state and the first step.

    Paddle 2.x only lays out its accumulators in the first step; until then a loaded state waits aside.
    """
    return {**(getattr(optimizer, "_accumulators_holder", None) or {}), **optimizer.state_dict()}


def squared_norm(x: paddle.Tensor) -> paddle.Tensor:
    """The sum of the squares of all elements: [1]. Paddle's gradient clipping takes it too.

    No public function does it in one operation: `paddle.norm` takes 20 times as long, `x.square().sum()` another array.
    """
    return paddle._C_ops.squared_l2_norm(x)


# What a program's arithmetic consists of; operands and result of each kind in Paddle 2's form, in Paddle 3's order.
ARITHMETIC = {
    **dict.fromkeys(("conv2d", "depthwise_conv2d", "conv3d"), ("Input", "Filter", "Output")),
    **dict.fromkeys(("matmul", "bmm"), ("X", "Y", "Out")),
    **dict.fromkeys(("batch_norm", "layer_norm"), ("X", "Y")),
}


def arithmetic(program: Any) -> Iterator[tuple[str, list[list[int]], bool]]:
    """(kind, shapes of operands and result, first operand transposed) of a program's operations in `ARITHMETIC`."""
    block = program.global_block()
    for op in block.ops:
        new = hasattr(op, "operands_source")  # Paddle 3's form
        kind = op.name().removeprefix("pd_op.").removesuffix("_") if new else op.type.removesuffix("_v2")
        if kind not in ARITHMETIC:
            continue
        *inputs, output = ARITHMETIC[kind]
        if new:
            shapes = [list(value.shape) for value in (*op.operands_source()[: len(inputs)], op.results()[0])]
            yield kind, shapes, kind == "matmul" and op.attrs()["transpose_x"]
        else:
            texts = [*(op.input(name)[0] for name in inputs), op.output(output)[0]]
            yield kind, [list(block.var(text).shape) for text in texts], kind == "matmul" and op.attr("trans_x")
