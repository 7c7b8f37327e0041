"""The head of PP-TSM: like TSM's, with the classifier after the average."""

from __future__ import annotations

from paddle import Tensor

from paddlevideo.modeling.heads.base import Head, Loss, own_rates
from paddlevideo.modeling.layers.conv_bn import DataFormat
from paddlevideo.registry import HEADS


class PPTSMHead(Head):
    """Pool, dropout in each frame, average over the frames, classify.

    Learning rate and decay of the classifier are those of `TSMHead`. Arguments and errors: see `Head`.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        drop_ratio: float = 0.8,
        std: float = 0.01,
        ls_eps: float = 0.0,
        data_format: DataFormat = "NCHW",
        loss_cfg: Loss | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, drop_ratio, std, ls_eps, data_format, loss_cfg, **own_rates())

    def forward(self, features: Tensor, num_seg: int) -> Tensor:
        """Features [N*S, C, H, W] of N videos with S = `num_seg` frames each -> logits [N, K]."""
        frames = self.dropout(self.pool(features)).reshape([-1, num_seg, self.in_channels])  # [N, S, C]
        return self.fc(frames.mean(axis=1))


HEADS.register(PPTSMHead, "ppTSMHead")
