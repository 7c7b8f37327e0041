"""The head of TSM: every frame classified, the scores averaged."""

from __future__ import annotations

from paddle import ParamAttr, Tensor
from paddle.regularizer import L2Decay

from paddlevideo.modeling.heads.base import Head
from paddlevideo.modeling.layers.conv_bn import DataFormat
from paddlevideo.registry import HEADS


@HEADS.register
class TSMHead(Head):
    """Pool, dropout, classify each frame, average the logits over the frames.

    The classifier learns 5 times faster than the backbone (its bias 10 times), its weight decays at 1e-4 whatever the
    optimizer's decay, its bias not at all. Arguments and errors: see `Head`.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        drop_ratio: float = 0.5,
        std: float = 0.001,
        ls_eps: float = 0.0,
        data_format: DataFormat = "NCHW",
    ) -> None:
        super().__init__(
            num_classes,
            in_channels,
            drop_ratio,
            std,
            ls_eps,
            data_format,
            weight_attr=ParamAttr(learning_rate=5.0, regularizer=L2Decay(1e-4)),
            bias_attr=ParamAttr(learning_rate=10.0, regularizer=L2Decay(0.0)),
        )

    def forward(self, features: Tensor, num_seg: int) -> Tensor:
        """Features [N*S, C, H, W] of N videos with S = `num_seg` frames each -> logits [N, K]."""
        logits = self.fc(self.dropout(self.pool(features)))  # [N*S, K]
        return logits.reshape([-1, num_seg, self.num_classes]).mean(axis=1)
