"""Averaging weight files of one model, such as the last checkpoints of a run, into one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from paddle import Tensor

from paddlevideo.loader.dataloader import ClipLoader
from paddlevideo.modeling import weights
from paddlevideo.solver.state_mean import StateMean
from paddlevideo.tasks.convert import SUFFIXES
from paddlevideo.tasks.precise_bn import measure, measured_layers
from paddlevideo.tasks.run import build_loader, build_model, check_fit, load_weights
from paddlevideo.tasks.schema import RootSection
from paddlevideo.tasks.tensors import to_tensors
from paddlevideo.utils import dist, files, seed
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger

STATISTICS = ("._mean", "._variance")
SEED = 1234  # of the order and the crops of the clips that statistics are measured on


def average(
    paths: Sequence[Path],
    out: Path,
    shares: Sequence[float] | None = None,
    cfg: RootSection | None = None,
    batches: int = 200,
) -> None:
    """Writes the mean of the arrays of several weight files, float32, and says what it is made of.

    Besides the sums, which are float64, one file is in memory at a time.

    Args:
        paths: two or more .pdparams or .safetensors files with the same names and shapes.
        out: .pdparams or .safetensors.
        shares: how much each file counts, relative to the others; by default all the same.
        cfg: config of the model, with which the statistics of batch normalisation are measured anew for the mean.
        batches: of DATASET.train to measure on, at most.

    Raises:
        UserError: nothing was written.
    """
    shares = _checked(paths, out, shares)
    model, loader = (None, None) if cfg is None else _prepared(cfg, paths[0])
    mean = StateMean()
    for path, share in zip(paths, shares):
        try:
            mean.add(weights.read_state(path), share)
        except ValueError as error:
            raise error if isinstance(error, UserError) else UserError(f"{path}: {error}") from None
        logger.info(f"{path}: {share / sum(shares):.4g} of the mean")
    result = mean.result()
    statistics = sum(name.endswith(STATISTICS) for name in result)
    if model is not None and loader is not None:
        result = _measured(model, result, loader, batches)
    elif statistics:
        logger.info(
            f"the running statistics of batch normalisation ({statistics} arrays) are means too, and fit the averaged "
            "weights only roughly; --config CONFIG measures them anew on training clips"
        )
    with files.atomic(out) as scratch:
        weights.save_state(result, scratch, out.suffix)
    logger.info(f"wrote {out}: {len(result)} arrays, the mean of {len(paths)} files")


def _checked(paths: Sequence[Path], out: Path, shares: Sequence[float] | None) -> Sequence[float]:
    """The shares, when files and shares make sense. Raises UserError otherwise."""
    if len(paths) < 2:
        raise UserError("an average is of two or more files; name them before -o")
    if len({path.resolve() for path in paths}) < len(paths):
        raise UserError("a file is given twice; --shares counts one more than others")
    if out.suffix not in SUFFIXES:
        raise UserError(f"{out}: the result is written as {' or '.join(SUFFIXES)}; end its name so")
    if out.exists() and any(path.exists() and out.samefile(path) for path in paths):
        raise UserError(f"{out}: would replace one of the files it is made from; give it another name")
    if shares is None:
        return [1.0] * len(paths)
    if len(shares) != len(paths):
        raise UserError(f"--shares gives {len(shares)} numbers for {len(paths)} files; give one for each")
    if wrong := [share for share in shares if not 0 < share <= 1e9]:
        raise UserError(f"--shares {wrong[0]:g}: a share must be above 0 and at most 1e9")
    return shares


def _prepared(cfg: RootSection, path: Path) -> tuple[Any, ClipLoader] | tuple[None, None]:
    """The model, which must take the weights of `path`, and clips for it; nothing where there is nothing to measure."""
    model = build_model(cfg)
    load_weights(model, path)
    model.train()
    if not measured_layers(model):
        logger.info("this model has no batch normalisation whose statistics could be measured; averaging is all")
        return None, None
    check_fit(cfg, model, "train")
    return model, build_loader(cfg, "train", SEED, clean=True)


def _measured(model: Any, state: Mapping[str, np.ndarray], loader: ClipLoader, batches: int) -> dict[str, np.ndarray]:
    """The arrays with statistics measured anew, as PRECISEBN does it."""
    for name, value in model.state_dict().items():
        value.set_value(state[name].astype(str(value.dtype).removeprefix("paddle.")))
    try:
        count = measure(model, _clips(loader, min(batches, len(loader))))
    finally:
        loader.close()
    if loader.failures:
        lost = f"{len(loader.failures)} of {len(loader.dataset)} train samples unreadable"
        logger.info(f"{lost}, such as {files.plain(loader.failures[0].path)}")
    logger.info(f"the statistics of {len(measured_layers(model))} batch normalisations measured on {count} batches")
    return weights.state_arrays(model)


def _clips(loader: ClipLoader, count: int) -> Iterator[dict[str, Tensor]]:
    for number, batch in zip(range(count), loader.epoch(0)):
        if number % 10 == 0:
            logger.info(f"measuring statistics: batch {number + 1} of {count}")
        seed.seed_step(SEED, dist.rank(), number)
        yield to_tensors(batch)
