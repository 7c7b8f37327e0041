"""Losses and gradients that are no finite numbers: found without waiting for the device, and traced to their clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import paddle
from paddle import Tensor, nn

from paddlevideo.tasks.precise_bn import measured_layers
from paddlevideo.utils import compat
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger

IN_A_ROW = 20  # steps skipped one after another: the weights do not change any more, so the next will be no better
SHOWN = 8  # files of a batch that a message names


class DivergedError(UserError):
    """Scores, the loss or gradients are not finite numbers."""


class _Noted(NamedTuple):
    flags: Tensor
    where: str
    files: list[str]


class Statistics:
    """The running statistics of a model's batch normalisation, which a forward pass changes and which can be put back.

    Args:
        model: in training mode.
    """

    def __init__(self, model: nn.Layer) -> None:
        self._values = [value for layer in measured_layers(model) for value in (layer._mean, layer._variance)]
        self._kept: list[Tensor] = []

    def keep(self) -> None:
        """Remembers them."""
        self._kept = [value.clone() for value in self._values]

    def put_back(self) -> None:
        """Sets them to what was remembered."""
        for value, kept in zip(self._values, self._kept):
            value.set_value(kept)


class FiniteWatch:
    """Looks whether what each batch gave was finite.

    The flags stay on the device until `settle` reads them all at once, so that steps need not wait for it. To skip
    steps it has to wait at every one.

    Args:
        skipping: on_non_finite: skip.
        statistics: are put back where a step is skipped; `keep` must be called before it.
    """

    def __init__(self, skipping: bool, statistics: Statistics) -> None:
        self.skipping = skipping
        self._statistics = statistics
        self._noted: list[_Noted] = []
        self._in_a_row = 0

    def skips(self, values: list[Tensor], norm: Tensor | None, where: str, files: list[str]) -> bool:
        """Whether a step is to be left out; if so, says which clips it was of. Otherwise remembers what `settle` asks.

        Args:
            values: its scores and losses. Both, and the norm too, for one alone may hide it: ReLU makes 0 of what is no
                number, and Paddle's cross-entropy on the CPU ln K.
            norm: of the gradients, which are the same on all ranks, so that all skip the same steps; None: loss scaling
                looks after them.
            where: which step, in words.
            files: of its clips.
        Raises:
            DivergedError: too many were left out in a row.
        """
        if not self.skipping or norm is None:
            judged = values if norm is None else [*values, norm]
            self._noted.append(_Noted(paddle.stack([paddle.isfinite(value).all() for value in judged]), where, files))
            return False
        if bool(paddle.isfinite(norm)):
            self._in_a_row = 0
            return False
        self._statistics.put_back()
        self._in_a_row += 1
        logger.info(f"the gradients are not finite, so the step is skipped: {where}, of {shown(files)}")
        if self._in_a_row >= IN_A_ROW:
            raise DivergedError(
                f"{IN_A_ROW} steps in a row were not finite, up to {where}: it is not single clips. "
                "Lower OPTIMIZER.learning_rate or set OPTIMIZER.grad_clip"
            )
        return True

    def settle(self) -> None:
        """Raises DivergedError naming the first step since the last call of which not all was finite."""
        noted, self._noted = self._noted, []
        if not noted:
            return
        flags = paddle.concat([item.flags for item in noted]).numpy()  # read at once
        ends = np.cumsum([len(item.flags) for item in noted])
        for item, own in zip(noted, np.split(flags, ends[:-1])):
            if own.all():
                continue
            raise DivergedError(
                f"the model's scores, loss or gradients are no longer finite numbers in {item.where}, of "
                f"{shown(item.files)}; nothing was saved since then. Lower OPTIMIZER.learning_rate, set "
                "OPTIMIZER.grad_clip, or set on_non_finite: skip where single clips are to blame"
            )


def shown(files: list[str]) -> str:
    """The files of a batch, in words."""
    more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    return ", ".join(files[:SHOWN]) + more


def gradient_norm(parameters: Sequence[Tensor]) -> Tensor:
    """The L2 norm of all gradients together, before clipping: a scalar, float32, on the device."""
    grads = [grad for parameter in parameters if (grad := parameter.grad) is not None]
    squares = [compat.squared_norm(grad if grad.dtype == paddle.float32 else grad.astype("float32")) for grad in grads]
    return paddle.add_n(squares).sqrt().reshape([]) if squares else paddle.zeros([])
