"""PRECISEBN: after an epoch, the statistics of batch normalisation are measured anew with the weights as they now are.

The running statistics that training leaves behind are moving averages over changing weights, and with MIX over blended
clips. Here they become averages over fixed weights and clean clips (Wu and Johnson, "Rethinking 'Batch' in BatchNorm",
2021, section 3). The variance is the mean of the variances within the batches, as in PaddleVideo: that is what the
layers divided by while the weights learned, and what its published figures were made with. The paper's variance of the
whole population is larger by the variance of the batches' means.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import paddle
from paddle import Tensor, nn

from paddlevideo.tasks.precision import Precision
from paddlevideo.tasks.run import build_loader
from paddlevideo.tasks.schema import RootSection, due
from paddlevideo.tasks.tensors import to_tensors
from paddlevideo.utils import dist, seed
from paddlevideo.utils.log import logger
from paddlevideo.utils.signals import StopRequest

SWA_BATCHES = 200  # without the section
BATCH_NORMS = (nn.BatchNorm, nn.BatchNorm1D, nn.BatchNorm2D, nn.BatchNorm3D, nn.SyncBatchNorm)


def measured_layers(model: nn.Layer) -> list[Any]:
    """The batch normalisations of `model` that follow the data: in training mode, without fixed statistics."""
    layers = [layer for layer in model.sublayers(include_self=True) if isinstance(layer, BATCH_NORMS)]
    return [layer for layer in layers if layer.training and not layer._use_global_stats]


def measure(model: nn.Layer, batches: Iterable[Mapping[str, Tensor]]) -> int:
    """Sets the statistics to the mean over these batches, each counted alike. Returns how many there were.

    `model` must be in training mode; its weights stay as they are. Where an error ends the batches early, the
    statistics are the mean over those before it.
    """
    layers = measured_layers(model)
    momenta = [layer._momentum for layer in layers]
    statistics = [value for layer in layers for value in (layer._mean, layer._variance)]
    sums = [paddle.zeros(value.shape, "float64") for value in statistics]
    count = 0
    try:
        for layer in layers:
            layer._momentum = 0.0  # the running statistics are then those of the last batch
        with paddle.no_grad():
            for batch in batches:
                model(batch)
                sums = [total + value.astype("float64") for total, value in zip(sums, statistics)]
                count += 1
    finally:
        for layer, momentum in zip(layers, momenta):
            layer._momentum = momentum
        for value, total in zip(statistics, sums) if count else ():
            value.set_value((total / count).astype(value.dtype))
    return count


class PreciseBN:
    """The section at work on this rank; where there is none, it only measures what SWA has averaged.

    Its batches come from a loader of its own, without MIX, and are a function of (seed, epoch): another order and other
    crops than those of training, the same after a resume. Ranks measure on different batches;
    `dist.average_batch_norm` joins them.
    """

    def __init__(self, cfg: RootSection, run_seed: int, max_iters: int | None = None) -> None:
        self.section, self.epochs, self.log_interval = cfg.PRECISEBN, cfg.epochs, cfg.log_interval
        self.seed = zlib.crc32(f"{run_seed}/precise_bn".encode())
        self.loader = build_loader(cfg, "train", self.seed, clean=True)
        wanted = self.section.num_iters_preciseBN if self.section else SWA_BATCHES
        self.count = min(wanted, len(self.loader), max_iters or len(self.loader))

    def due(self, epoch: int) -> bool:
        """Whether it is wanted after this zero-based epoch: every interval from the first on, and after the last."""
        if self.section is None:
            return False
        return due(epoch, self.epochs, self.section.preciseBN_interval)

    def after(self, epoch: int, model: nn.Layer, precision: Precision, stop: StopRequest) -> None:
        """Measures the statistics of `model`; a signal ends it after a batch."""
        model.train()
        if not measured_layers(model):
            logger.info("PRECISEBN: this model has no batch normalisation to measure")
            return
        with precision.cast():
            measure(model, self._batches(epoch, stop))
        self.loader.close()  # its processes would hold memory for nothing until the next time

    def _batches(self, epoch: int, stop: StopRequest) -> Iterator[dict[str, Tensor]]:
        for number, batch in zip(range(self.count), self.loader.epoch(epoch)):
            if stop.wanted:
                return
            if number % self.log_interval == 0:
                logger.info(f"Computing precise BN {number + 1} / {self.count}...")
            seed.seed_step(self.seed, dist.rank(), epoch * self.count + number)
            yield to_tensors(batch)
