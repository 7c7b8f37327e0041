"""early_stopping: the end of a training whose validations have stopped getting better."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class EarlyStopping:
    """`{patience: 5, min_delta: 0.001}`.

    Attributes:
        patience: validations in a row without a better figure after which the training ends.
        min_delta: by how much a figure must be above the best to be better, 0..1 as the figures are.
    """

    patience: int
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ValueError(f"patience={self.patience} must be 1 or more")
        if not 0 <= self.min_delta < math.inf:
            raise ValueError(f"min_delta={self.min_delta} must be 0 or more")

    def judge(self, figure: float, best: float, waited: int) -> tuple[float, int]:
        """The new (best, waited) after a validation.

        Args:
            figure: of this validation; higher is better.
            best: figure of the last that was better by more than min_delta; -inf before the first.
            waited: validations since then.
        """
        return (figure, 0) if figure > best + self.min_delta else (best, waited + 1)

    def stops(self, waited: int) -> bool:
        """Whether the training ends when so many validations brought nothing better."""
        return waited >= self.patience
