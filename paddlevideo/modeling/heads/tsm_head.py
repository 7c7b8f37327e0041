"""The head of TSM: every frame classified, the scores averaged."""

from __future__ import annotations

from paddle import Tensor

from paddlevideo.modeling.heads.base import Head, Loss, own_rates
from paddlevideo.modeling.layers.conv_bn import DataFormat
from paddlevideo.registry import HEADS


@HEADS.register
class TSMHead(Head):
    """Pool, dropout, classify each frame, average the logits over the frames.

    The classifier learns 5 times faster than the backbone, its bias 10 times and without decay.

    Args:
        fc_decay: L2 factor of the classifier's weight whatever the optimizer's decay, PaddleVideo's rule; null: the
            optimizer's, mmaction2's rule.

    The other arguments and errors: see `Head`.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        drop_ratio: float = 0.5,
        std: float = 0.001,
        ls_eps: float = 0.0,
        data_format: DataFormat = "NCHW",
        fc_decay: float | None = 1e-4,
        loss_cfg: Loss | None = None,
    ) -> None:
        if fc_decay is not None and fc_decay < 0:
            raise ValueError(f"fc_decay={fc_decay} is negative")
        rates = own_rates(decay=fc_decay)
        super().__init__(num_classes, in_channels, drop_ratio, std, ls_eps, data_format, loss_cfg, **rates)

    def forward(self, features: Tensor, num_seg: int) -> Tensor:
        """Features [N*S, C, H, W] of N videos with S = `num_seg` frames each -> logits [N, K]."""
        logits = self.fc(self.dropout(self.pool(features)))  # [N*S, K]
        return logits.reshape([-1, num_seg, self.num_classes]).mean(axis=1)
