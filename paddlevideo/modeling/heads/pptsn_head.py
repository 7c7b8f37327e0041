"""The head of PP-TSN: like TSN's, with a classifier that learns faster."""

from __future__ import annotations

from paddle import Tensor

from paddlevideo.modeling.heads.base import Head, Loss, own_rates
from paddlevideo.modeling.layers.conv_bn import DataFormat
from paddlevideo.registry import HEADS


class PPTSNHead(Head):
    """Pool, average over the frames, dropout, classify.

    Args:
        fclr5: the classifier learns 5 times faster than the backbone, its bias 10 times, as in `TSMHead`; False: at the
            same rate. Its weight decays at 1e-4 whatever the optimizer's decay, its bias not at all.

    The other arguments and errors: see `Head`.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        drop_ratio: float = 0.4,
        std: float = 0.01,
        ls_eps: float = 0.0,
        data_format: DataFormat = "NCHW",
        fclr5: bool = True,
        loss_cfg: Loss | None = None,
    ) -> None:
        rates = own_rates() if fclr5 else own_rates(1.0, 1.0)
        super().__init__(num_classes, in_channels, drop_ratio, std, ls_eps, data_format, loss_cfg, **rates)

    def forward(self, features: Tensor, num_seg: int) -> Tensor:
        """Features [N*S, C, H, W] of N videos with S = `num_seg` frames each -> logits [N, K]."""
        frames = self.pool(features).reshape([-1, num_seg, self.in_channels])  # [N, S, C]
        return self.fc(self.dropout(frames.mean(axis=1)))


HEADS.register(PPTSNHead, "ppTSNHead")
