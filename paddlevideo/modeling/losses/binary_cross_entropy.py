"""Binary cross entropy, for videos with any number of labels."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddlevideo.registry import LOSSES


def multi_hot(labels: Tensor, num_classes: int) -> Tensor:
    """Class ids [N, L], rows filled up with -1 (or one id a video, [N]) -> 1 for the classes of a video, [N, K]."""
    ids = labels.reshape([labels.shape[0], -1, 1])  # [N, L, 1]
    return (ids == paddle.arange(num_classes, dtype=labels.dtype)).any(axis=1).astype("float32")


@LOSSES.register
class BinaryCrossEntropyLoss(nn.Layer):
    """Sigmoid cross entropy of every class by itself, mean over the batch and the classes.

    Args:
        class_weights: factor of each class's part; None: 1.

    Raises:
        ValueError: a weight is negative, or all are 0.
    """

    multi_label = True

    def __init__(self, class_weights: list[float] | None = None) -> None:
        super().__init__()
        if class_weights is not None and (min(class_weights, default=0) < 0 or not any(class_weights)):
            raise ValueError(f"class_weights={class_weights} must not be negative, nor all 0")
        self.class_weights = class_weights

    def check(self, num_classes: int) -> None:
        """Raises ValueError unless there is a weight for each class."""
        if self.class_weights is not None and len(self.class_weights) != num_classes:
            raise ValueError(f"loss_cfg: {len(self.class_weights)} class_weights, but num_classes={num_classes}")

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Logits [N, K] and class ids [N, L] filled up with -1 (or [N]) -> a scalar."""
        # log(1 + exp(x)) - y x. The gradient of Paddle's own function has the wrong sign where a logit is exactly 0.
        logits = logits.astype("float32")
        each = F.softplus(logits) - multi_hot(labels, logits.shape[-1]) * logits
        if self.class_weights is not None:
            each = each * paddle.to_tensor(self.class_weights, "float32")
        return each.mean()
