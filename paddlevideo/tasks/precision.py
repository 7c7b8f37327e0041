"""Mixed precision, always on the path: without --amp the scale is 1 and nothing is cast."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import paddle

from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger

# Reductions that lose accuracy in float16; the list PaddleVideo trains with.
FLOAT32_OPS = ("reduce_mean", "conv3d")


class Precision:
    """float32, or half precision with float32 master weights where needed (Micikevicius et al. 2018).

    Args:
        amp: mixed precision on.
        level: "O1" (float16 for the operations that gain) or "O2" (float16 but for those that lose); None is O1.
        dtype: "float16", or "bfloat16" in its place, whose range needs no loss scaling; None is float16.
    Raises:
        UserError: a level or dtype without amp.
    """

    def __init__(self, amp: bool, level: str | None = None, dtype: str | None = None) -> None:
        for flag, value in (("--amp_level", level), ("--amp_dtype", dtype)):
            if value is not None and not amp:
                raise UserError(f"{flag} {value} does nothing without --amp; add --amp or leave it out")
        self.level = (level or "O1") if amp else None
        self.dtype = dtype or "float16"
        self.active = amp and paddle.is_compiled_with_cuda()
        mode = f"amp mode, amp_level={self.level}" if amp else "fp32 mode"
        logger.info(f"Training in {mode}{f', {dtype}' if dtype else ''}.")
        if amp and not self.active:
            logger.info("Paddle has no mixed precision on the CPU: --amp changes nothing here, training is float32")
        self.scaler = paddle.amp.GradScaler(
            enable=self.active and self.dtype == "float16",
            init_loss_scaling=65536.0,
            incr_every_n_steps=2000,
            decr_every_n_nan_or_inf=1,
        )

    def cast(self) -> AbstractContextManager[Any]:
        """The context in which forward passes run."""
        if not self.active:
            return nullcontext()
        return paddle.amp.auto_cast(
            enable=True, custom_black_list=list(FLOAT32_OPS), level=self.level, dtype=self.dtype
        )

    def unscaled(self, norm: paddle.Tensor) -> paddle.Tensor:
        """A norm of gradients as it is without loss scaling."""
        return norm / self.scaler.state_dict()["scale"] if self.scaler.is_enable() else norm

    def decorate(self, model: Any, optimizer: Any) -> tuple[Any, Any]:
        """For O2: parameters of half precision with float32 master copies in the optimizer."""
        if not self.active or self.level != "O2":
            return model, optimizer
        return paddle.amp.decorate(models=model, optimizers=optimizer, level="O2", dtype=self.dtype, master_weight=True)
