"""A model's layers, parameters and multiply-adds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddlevideo.tasks.run import blank_clip, build_model, pipeline_of
from paddlevideo.tasks.schema import RootSection


def summarize(cfg: RootSection, img_size: int | None, num_seg: int | None, flops: bool) -> Iterator[str]:
    """Lines of a table: a row for each top-level part, then the totals for one video.

    Args:
        img_size: side of the frames; None takes what PIPELINE.test gives.
        num_seg: frames a video; None likewise.
        flops: count multiply-adds of convolutions and matrix products with weights, by running one video.
    """
    model = build_model(cfg)
    model.eval()
    shape = _shape(list(blank_clip(pipeline_of(cfg, "test")).array().shape), img_size, num_seg)
    model.check_frames([1, *shape])
    counts = _multiply_adds(model, [1, *shape]) if flops else {}
    yield f"{'layer':32} {'parameters':>14}" + (f" {'multiply-adds':>16}" if flops else "")
    for name, layer in _rows(model):
        macs = sum(count for key, count in counts.items() if f"{key}.".startswith(f"{name}."))
        yield f"{name:32} {_parameters(layer):>14,}" + (f" {macs:>16,}" if flops else "")
    yield f"{'total':32} {_parameters(model):>14,}" + (f" {sum(counts.values()):>16,}" if flops else "")
    yield f"for one video of shape {shape}; parameters are the trained ones (batch norm statistics not counted)"


def _shape(shape: list[int], img_size: int | None, num_seg: int | None) -> list[int]:
    channels = shape.index(3)
    sizes = [i for i in range(4) if i != channels]  # T, H, W in this order for every layout
    changed = list(shape)
    for axis, value in zip(sizes, (num_seg, img_size, img_size)):
        changed[axis] = value or shape[axis]
    return changed


def _rows(model: nn.Layer) -> Iterator[tuple[str, nn.Layer]]:
    for name, part in model.named_children():
        inner = list(part.named_children())
        yield from ((f"{name}.{below}", layer) for below, layer in inner) if len(inner) > 1 else [(name, part)]


def _parameters(layer: nn.Layer) -> int:
    return sum(int(np.prod(item.shape)) for item in layer.parameters() if not item.stop_gradient)


def _multiply_adds(model: Any, shape: list[int]) -> dict[str, int]:
    """Multiply-adds of every convolution and linear layer for one forward pass, by layer name."""
    counts: dict[str, int] = {}

    def count(name: str) -> Any:
        def hook(layer: nn.Layer, inputs: Any, output: paddle.Tensor) -> None:
            per_output = int(np.prod(layer.weight.shape)) // (
                layer.weight.shape[0] if isinstance(layer, nn.Conv2D) else layer.weight.shape[1]
            )
            counts[name] = counts.get(name, 0) + int(np.prod(output.shape)) * per_output

        return hook

    hooks = [
        layer.register_forward_post_hook(count(name))
        for name, layer in model.named_sublayers()
        if isinstance(layer, nn.Conv2D | nn.Linear)
    ]
    with paddle.no_grad():
        model.scores(paddle.zeros(shape))
    for hook in hooks:
        hook.remove()
    return counts
