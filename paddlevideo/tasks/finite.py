"""Losses and gradients that are no finite numbers: found without waiting for the device, and traced to their clips."""

from __future__ import annotations

from typing import NamedTuple

import paddle
from paddle import Tensor, nn

from paddlevideo.tasks.precise_bn import measured_layers
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger

IN_A_ROW = 20  # steps skipped one after another: the weights do not change any more, so the next will be no better
SHOWN = 8  # files of a batch that a message names


class DivergedError(UserError):
    """Scores, the loss or gradients are not finite numbers."""


class _Noted(NamedTuple):
    flag: Tensor
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
    steps it has to wait at every one. Gradients are the same on all ranks, so all skip the same steps.

    Args:
        skipping: on_non_finite: skip.
        statistics: are put back where a step is skipped; `keep` must be called before it.
    """

    def __init__(self, skipping: bool, statistics: Statistics) -> None:
        self.skipping = skipping
        self._statistics = statistics
        self._noted: list[_Noted] = []
        self._in_a_row = 0

    def note(self, logits: Tensor, loss: Tensor, where: str, files: list[str]) -> None:
        """Remembers the flag of a batch. `where`: which one it was, in words."""
        # Paddle's cross-entropy on the CPU gives ln K for logits that are not numbers, so the loss alone hides them.
        flag = paddle.logical_and(paddle.isfinite(logits).all(), paddle.isfinite(loss).all())
        self._noted.append(_Noted(flag, where, files))

    def settle(self) -> None:
        """Raises DivergedError naming the first batch since the last call whose scores or loss were not finite."""
        noted, self._noted = self._noted, []
        if not noted:
            return
        fine = paddle.stack([item.flag for item in noted]).numpy()
        first = next((item for item, good in zip(noted, fine) if not good), None)
        if first is not None:
            raise DivergedError(
                f"the model's scores or loss are no longer finite numbers in {first.where}, of {shown(first.files)}; "
                "nothing was saved since then. Lower OPTIMIZER.learning_rate, set OPTIMIZER.grad_clip, or set "
                "on_non_finite: skip where single clips are to blame"
            )

    def skips(self, norm: Tensor) -> bool:
        """Whether a step is to be left out, by the norm of its gradients; if so, says which batches it was.

        Raises:
            DivergedError: too many were left out in a row.
        """
        noted, self._noted = self._noted, []
        if bool(paddle.isfinite(norm)):
            self._in_a_row = 0
            return False
        self._statistics.put_back()
        self._in_a_row += 1
        for item in noted:
            logger.info(f"gradients are not finite, so the step is skipped: {item.where}, of {shown(item.files)}")
        if self._in_a_row >= IN_A_ROW:
            raise DivergedError(
                f"{IN_A_ROW} steps in a row were not finite, up to {noted[-1].where}: it is not single clips. "
                "Lower OPTIMIZER.learning_rate or set OPTIMIZER.grad_clip"
            )
        return True


def shown(files: list[str]) -> str:
    """The files of a batch, in words."""
    more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    return ", ".join(files[:SHOWN]) + more


def gradient_norm(model: nn.Layer) -> Tensor:
    """The L2 norm of all gradients together, before clipping: a scalar, float32, on the device."""
    parts = [p.grad.astype("float32").square().sum() for p in model.parameters() if p.grad is not None]
    return paddle.add_n(parts).sqrt() if parts else paddle.zeros([])
