"""Parameters and multiply-adds of a model, without computing anything.

The model is built and run on a symbolic clip: Paddle infers the shape of every intermediate result, and the shapes tell
the arithmetic. So the figures are those of the code, and a 250-frame TSN costs no more than a single frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import paddle
from paddle import nn

from paddlevideo.utils import compat


@dataclass(frozen=True)
class Part:
    """A layer of a model, with all layers inside it.

    Attributes:
        name: as in the state dict.
        parameters: trained numbers; batch norm statistics are not counted.
        macs: multiply-adds for one clip, see `multiply_adds`.
    """

    name: str
    parameters: int
    macs: int


@contextmanager
def _symbolic() -> Iterator[Any]:
    """Inside, models are built and run on shapes alone; gives the program that records what they do.

    Nothing of such a model may be touched afterwards: its arrays have gone with the program.
    """
    program = paddle.static.Program()
    paddle.enable_static()
    try:
        with paddle.static.program_guard(program, paddle.static.Program()):
            yield program
    finally:
        paddle.disable_static()


def multiply_adds(program: Any) -> int:
    """Multiply-adds of everything recorded so far: convolutions, matrix products, normalisations.

    A normalised value takes two, (x - mean) / std and scale * x + offset. So a ResNet-50 comes to 4.11 G an image, as
    by the counters of mmaction2 and of Paddle; its convolutions and classifier alone are 4.09 G.
    """
    total = 0
    for kind, (first, *others), transposed in compat.arithmetic(program):
        if "norm" in kind:
            total += 2 * prod(first)
        elif "conv" in kind:
            kernel, result = others
            total += prod(result) * prod(kernel[1:])  # a kernel is [out, in / groups, k, k]
        else:
            total += prod(others[-1]) * first[-2 if transposed else -1]
    return total


def parts(build: Callable[[], Any], shape: Sequence[int]) -> list[Part]:
    """The whole model and its layers: the first part, called "total", then two levels of layers in their order.

    Args:
        build: makes the model.
        shape: of the frames of one clip, as the model takes them (without the batch axis).
    Raises:
        ValueError: the frames do not fit the model.
    """
    with _symbolic() as program:
        model = build()
        model.eval()
        if hasattr(model, "check_frames"):
            model.check_frames([1, *shape])
        layers = dict(_layers(model))
        macs = dict.fromkeys(layers, 0)
        for name, layer in layers.items():
            _count_calls(name, layer, macs, program)
        imgs = paddle.static.data("imgs", [1, *shape], "float32")
        model.scores(imgs) if hasattr(model, "scores") else model(imgs)
        total = Part("total", _parameters(model), multiply_adds(program))
        return [total, *(Part(name, _parameters(layer), macs[name]) for name, layer in layers.items())]


def state_shapes(build: Callable[[], nn.Layer]) -> dict[str, list[int]]:
    """Name -> shape of everything in the model's weight file."""
    with paddle.LazyGuard():  # no array is filled
        model = build()
        return {name: list(value.shape) for name, value in model.state_dict().items()}


def _layers(model: nn.Layer) -> Iterator[tuple[str, nn.Layer]]:
    for name, part in model.named_children():
        inner = list(part.named_children())
        yield from ((f"{name}.{below}", layer) for below, layer in inner) if len(inner) > 1 else [(name, part)]


def _count_calls(name: str, layer: nn.Layer, macs: dict[str, int], program: Any) -> None:
    """Adds to macs[name] what the program gains during each call of the layer."""

    def before(layer: nn.Layer, inputs: Any) -> None:
        macs[name] -= multiply_adds(program)

    def after(layer: nn.Layer, inputs: Any, output: Any) -> None:
        macs[name] += multiply_adds(program)

    layer.register_forward_pre_hook(before)
    layer.register_forward_post_hook(after)


def _parameters(layer: nn.Layer) -> int:
    return sum(prod(item.shape) for item in layer.parameters() if not item.stop_gradient)
