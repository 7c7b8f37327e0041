"""The heads of TimeSformer and PP-TimeSformer: a classifier on the class token."""

from __future__ import annotations

from paddle import ParamAttr, Tensor
from paddle.regularizer import L2Decay

from paddlevideo.modeling.heads.base import Head, Loss
from paddlevideo.registry import HEADS


@HEADS.register
class TimeSformerHead(Head):
    """Fully connected, without dropout. Learning rate and decay are the optimizer's.

    Args:
        num_classes, in_channels, std, ls_eps, loss_cfg: see `Head`.
    """

    decays_bias = True  # whether the optimizer's weight decay reaches the bias

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        std: float = 0.02,
        ls_eps: float = 0.0,
        loss_cfg: Loss | None = None,
    ) -> None:
        bias_attr = None if self.decays_bias else ParamAttr(regularizer=L2Decay(0.0))
        super().__init__(num_classes, in_channels, 0.0, std, ls_eps, "NCHW", loss_cfg, bias_attr=bias_attr)

    def forward(self, features: Tensor, num_seg: int = 1) -> Tensor:
        """Class tokens [N, D] -> logits [N, K]. The frames have been mixed by the backbone."""
        return self.fc(features)


class PPTimeSformerHead(TimeSformerHead):
    """The head of PP-TimeSformer: the bias is left out of the weight decay."""

    decays_bias = False


HEADS.register(PPTimeSformerHead, "ppTimeSformerHead")
