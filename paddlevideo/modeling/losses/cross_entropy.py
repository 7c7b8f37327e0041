"""Softmax cross entropy."""

from __future__ import annotations

from paddle import Tensor, nn
from paddle.nn import functional as F

from paddlevideo.registry import LOSSES


@LOSSES.register
class CrossEntropyLoss(nn.Layer):
    """Mean softmax cross entropy over the batch.

    Args:
        ls_eps: label smoothing, 0 <= eps < 1, in training mode only: the target is (1 - eps) for the class plus eps / K
            for each of the K classes (Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, section 7).

    Raises:
        ValueError: for an `ls_eps` outside its range.
    """

    multi_label = False

    def __init__(self, ls_eps: float = 0.0) -> None:
        super().__init__()
        if not 0 <= ls_eps < 1:
            raise ValueError(f"ls_eps={ls_eps} is outside 0 <= ls_eps < 1")
        self.ls_eps = ls_eps

    def check(self, num_classes: int) -> None:
        """Any number of classes will do."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Logits [N, K] and class numbers [N] -> a scalar."""
        targets, soft = labels, bool(self.training and self.ls_eps)
        if soft:
            targets = F.label_smooth(F.one_hot(labels, logits.shape[-1]), epsilon=self.ls_eps)  # [N, K]
        # Its own mean makes Paddle 2.6 ask the device at every step whether a label is to be ignored; none is.
        return F.cross_entropy(logits, targets, soft_label=soft, reduction="none").mean()
