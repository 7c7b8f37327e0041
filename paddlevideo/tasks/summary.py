"""A model's layers, parameters and multiply-adds."""

from __future__ import annotations

from collections.abc import Iterator

from paddlevideo.solver.optimizer import rates
from paddlevideo.solver.rates import describe_rates
from paddlevideo.tasks import flops
from paddlevideo.tasks.run import blank_clip, build_model, pipeline_of, tested_spec
from paddlevideo.tasks.schema import RootSection
from paddlevideo.utils.errors import UserError


def summarize(cfg: RootSection, img_size: int | None, num_seg: int | None, macs: bool) -> Iterator[str]:
    """Lines of a table: a row for each layer of the backbone and the head, then the totals for one video.

    Of a distillation they are those of the student.

    Args:
        img_size: side of the frames; None takes what PIPELINE.test gives.
        num_seg: frames a video; None likewise.
        macs: show multiply-adds too.
    Raises:
        UserError: the model does not take such frames.
    """
    clip = blank_clip(pipeline_of(cfg, "test"))
    changes = {"t": num_seg, "h": img_size, "w": img_size}
    shape = [changes.get(axis) or size for axis, size in zip(clip.layout, clip.shape)]
    try:
        total, *rows = flops.parts(tested_spec(cfg).build, shape)
    except ValueError as error:
        raise UserError(f"the model does not take a video of shape {shape}: {error}") from None
    yield f"{'layer':32} {'parameters':>14}" + (f" {'multiply-adds':>16}" if macs else "")
    for part in [*rows, total]:
        yield f"{part.name:32} {part.parameters:>14,}" + (f" {part.macs:>16,}" if macs else "")
    yield f"for one video of shape {shape}; parameters are the trained ones (batch norm statistics not counted)"


def summarize_rates(cfg: RootSection) -> Iterator[str]:
    """Lines of a table: what OPTIMIZER makes of each trained parameter. Then the same in short, as training logs it.

    Raises:
        UserError: there is no OPTIMIZER, or it does not fit the model.
    """
    if cfg.OPTIMIZER is None:
        raise UserError("OPTIMIZER is missing from the config; --groups shows what it makes of each parameter")
    table = rates(cfg.OPTIMIZER, build_model(cfg))
    width = max(len(rate.name) for rate in table)
    yield f"{'parameter':{width}} {'rate':>10} {'decay':>10}"
    for rate in table:
        yield f"{rate.name:{width}} {f'x{rate.lr_mult:.4g}':>10} {f'{rate.decay:g}':>10}{' (L1)' if rate.l1 else ''}"
    yield from describe_rates(table)
