"""What all heads share: the classifier layer, the loss and the accuracy."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from paddle import ParamAttr, Tensor, nn
from paddle.nn import functional as F
from paddle.regularizer import L2Decay

from paddlevideo.modeling.layers.conv_bn import DataFormat
from paddlevideo.modeling.losses.binary_cross_entropy import multi_hot
from paddlevideo.modeling.losses.cross_entropy import CrossEntropyLoss
from paddlevideo.registry import LOSSES

Loss: TypeAlias = Annotated[nn.Layer, LOSSES]


def own_rates(weight: float = 5.0, bias: float = 10.0, decay: float | None = 1e-4) -> dict[str, ParamAttr]:
    """The `weight_attr` and `bias_attr` of a classifier that learns faster than the backbone.

    Args:
        weight, bias: learning rate multipliers.
        decay: L2 factor of the weight whatever the optimizer's; None: the optimizer's. The bias does not decay.
    """
    return {
        "weight_attr": ParamAttr(learning_rate=weight, regularizer=None if decay is None else L2Decay(decay)),
        "bias_attr": ParamAttr(learning_rate=bias, regularizer=L2Decay(0.0)),
    }


class Head(nn.Layer):
    """A fully connected classifier over frame features; a subclass says in which order things happen.

    Args:
        num_classes: K.
        in_channels: C of the backbone's features.
        drop_ratio: dropout probability in training, 0 <= p < 1.
        std: of the normal distribution the weight starts from; the bias starts at 0.
        ls_eps: label smoothing, see `CrossEntropyLoss`.
        data_format: axis order of the features.
        loss_cfg: the loss; None: `CrossEntropyLoss` with `ls_eps`.
        weight_attr, bias_attr: learning rate multiplier and decay of the classifier where they are its own.

    Raises:
        ValueError: for a value outside its range.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        drop_ratio: float,
        std: float,
        ls_eps: float,
        data_format: DataFormat,
        loss_cfg: nn.Layer | None = None,
        *,
        weight_attr: ParamAttr | None = None,
        bias_attr: ParamAttr | None = None,
    ) -> None:
        super().__init__()
        if num_classes < 1 or in_channels < 1:
            raise ValueError(f"num_classes={num_classes} and in_channels={in_channels} must be 1 or more")
        if not 0 <= drop_ratio < 1:
            raise ValueError(f"drop_ratio={drop_ratio} is outside 0 <= drop_ratio < 1")
        if std < 0:
            raise ValueError(f"std={std} is negative")
        if data_format not in ("NCHW", "NHWC"):
            raise ValueError(f"data_format={data_format!r} is neither 'NCHW' nor 'NHWC'")
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.data_format = data_format
        weight_attr, bias_attr = weight_attr or ParamAttr(), bias_attr or ParamAttr()
        weight_attr.initializer = nn.initializer.Normal(0.0, std)
        bias_attr.initializer = nn.initializer.Constant(0.0)
        self.dropout = nn.Dropout(drop_ratio)
        self.fc = nn.Linear(in_channels, num_classes, weight_attr, bias_attr)
        if loss_cfg is not None and ls_eps:
            raise ValueError(f"ls_eps={ls_eps} is of the default loss; with loss_cfg, give what that loss takes")
        self.criterion = loss_cfg or CrossEntropyLoss(ls_eps)
        self.criterion.check(num_classes)
        self.multi_label: bool = self.criterion.multi_label

    def pool(self, features: Tensor) -> Tensor:
        """Average over the height and width: [N*S, C, H, W] (or channels last) -> [N*S, C]."""
        return features.mean(axis=[2, 3] if self.data_format == "NCHW" else [1, 2])

    def forward(self, features: Tensor, num_seg: int) -> Tensor:
        """Features [N*S, C, H, W] of N videos with S = `num_seg` frames each -> logits [N, K]."""
        raise NotImplementedError

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Logits [N, K], class numbers [N] (several: [N, L], see `multi_hot`) -> a scalar.

        Labels are smoothed in training mode only.
        """
        return self.criterion(logits, labels)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits [..., K] -> probabilities: by softmax, or where a video has several labels by sigmoid."""
        return F.sigmoid(logits) if self.multi_label else F.softmax(logits, axis=-1)

    def accuracy(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Share of the N videos whose class is the best, or among the five best: {"top1": scalar, "top5": scalar}.

        With fewer than five classes, top5 is over all of them (and thus 1). Where a video has several labels:
        {"hit1": scalar}, the share whose best class is one of them.
        """
        if self.multi_label:
            own = multi_hot(labels, self.num_classes).take_along_axis(logits.argmax(axis=1, keepdim=True), axis=1)
            return {"hit1": own.mean()}
        ranked = logits.topk(min(5, self.num_classes), axis=1)[1]  # [N, min(5, K)]
        hits = (ranked == labels.reshape([-1, 1])).astype("float32")
        return {"top1": hits[:, 0].mean(), "top5": hits.sum(axis=1).mean()}
