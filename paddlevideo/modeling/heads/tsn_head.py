"""The head of TSN: one classification of the average frame."""

from __future__ import annotations

from paddle import Tensor

from paddlevideo.modeling.heads.base import Head, Loss
from paddlevideo.modeling.layers.conv_bn import DataFormat
from paddlevideo.registry import HEADS


@HEADS.register
class TSNHead(Head):
    """Pool, average over the frames, dropout, classify (Wang et al., "Temporal Segment Networks", ECCV 2016).

    Learning rate and decay are the optimizer's. Arguments and errors: see `Head`.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        drop_ratio: float = 0.4,
        std: float = 0.01,
        ls_eps: float = 0.0,
        data_format: DataFormat = "NCHW",
        loss_cfg: Loss | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, drop_ratio, std, ls_eps, data_format, loss_cfg)

    def forward(self, features: Tensor, num_seg: int) -> Tensor:
        """Features [N*S, C, H, W] of N videos with S = `num_seg` frames each -> logits [N, K]."""
        frames = self.pool(features).reshape([-1, num_seg, self.in_channels])  # [N, S, C]
        return self.fc(self.dropout(frames.mean(axis=1)))
