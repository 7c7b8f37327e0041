"""AdamW and Lamb with a decay of its own for each parameter.

Paddle gives these two one factor, and lets single parameters out of it. Its parameter groups could have a factor each,
but then clip their gradients each by a norm of its own. Both classes update parameter by parameter in
`_append_optimize_op`, so there the factor is set that the next one is to have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import paddle


class OwnDecay:
    """Goes before the optimizer class.

    Attributes:
        factor: the attribute from which the class reads its decay.
        decays: Paddle's name of a parameter -> its factor; to be set after the constructor.
    """

    factor: str
    decays: Mapping[str, float]

    def _append_optimize_op(self, block: Any, param_and_grad: Any) -> Any:
        assert hasattr(self, self.factor), f"this Paddle keeps the decay of {type(self).__name__} elsewhere"
        setattr(self, self.factor, self.decays[param_and_grad[0].name])
        return super()._append_optimize_op(block, param_and_grad)  # type: ignore[misc]


class AdamW(OwnDecay, paddle.optimizer.AdamW):
    factor = "_weight_decay"


class Lamb(OwnDecay, paddle.optimizer.Lamb):
    factor = "_lamb_weight_decay"


CLASSES = {"AdamW": AdamW, "Lamb": Lamb}
