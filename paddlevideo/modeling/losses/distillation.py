"""Losses of distillation: between the outputs of two models, or of a model and the labels.

Letters: N videos, K classes, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from paddle import Tensor, nn
from paddle.nn import functional as F

from paddlevideo.registry import DISTILLATION_LOSSES, did_you_mean

GROUND_TRUTH = "GroundTruth"
Models: TypeAlias = Mapping[str, Any]  # name -> Recognizer
Outputs: TypeAlias = Mapping[str, Mapping[str, Tensor]]  # name -> what -> of that model: "logits" [N, K], ...


class DistillationLoss(nn.Layer):
    """A loss between the two of a pair; a subclass says which.

    Args:
        model_name_pairs: the names of two models, or of one and "GroundTruth".
        loss_weight: its factor in the sum of all losses, 0 or more.

    Attributes:
        trained: the models whose scores this loss trains, where they are not frozen.

    Raises:
        ValueError: for a negative `loss_weight`.
    """

    wants_feature = False  # whether the models' outputs must hold "feature", the mean of the backbone's, [N, C]

    def __init__(self, model_name_pairs: tuple[str, str], loss_weight: float = 1.0) -> None:
        super().__init__()
        if loss_weight < 0:
            raise ValueError(f"loss_weight={loss_weight} is negative")
        self.first, self.second = self.pair = model_name_pairs
        self.loss_weight = loss_weight
        self.trained: tuple[str, ...] = (self.first,)

    def connect(self, models: Models) -> None:
        """Checks the pair against the models there are, before the first step. Raises ValueError."""
        self._check_names(self.pair, models)
        if self.first == self.second:
            raise ValueError(f"{self.first} is compared with itself")

    def learned(self, outputs: Outputs) -> dict[str, Tensor]:
        """What the loss's own parameters, if it has any, make of the outputs; goes into those of the first model.

        It is computed in the models' forward pass: DataParallel must see there every parameter that is trained.
        """
        return {}

    def forward(self, outputs: Outputs, models: Models, batch: Mapping[str, Tensor]) -> Tensor:
        """Outputs for a batch -> a scalar, without `loss_weight`."""
        raise NotImplementedError

    def _check_names(self, names: tuple[str, ...], models: Models) -> None:
        for name in names:
            if name == GROUND_TRUTH:
                raise ValueError(f"{type(self).__name__} compares two models, not a model and {GROUND_TRUTH}")
            if name not in models:
                raise ValueError(f"there is no model '{name}'{did_you_mean(name, models)}")


class _ScoreLoss(DistillationLoss):
    """A loss between the class probabilities of two models."""

    def connect(self, models: Models) -> None:
        """As above; also the classes must agree, one of them the right one."""
        super().connect(models)
        first, second = (models[name] for name in self.pair)
        if first.multi_label or second.multi_label:
            kind = type(self).__name__
            raise ValueError(f"{kind} is between softmax probabilities, which models of several labels do not give")
        if first.head.num_classes != second.head.num_classes:
            raise ValueError(
                f"{self.first} has {first.head.num_classes} classes, {self.second} has {second.head.num_classes}"
            )


@DISTILLATION_LOSSES.register
class DistillationCELoss(DistillationLoss):
    """The loss of a model's own head for the labels: `[Student, GroundTruth]`.

    Cross entropy as a rule, with both labels of a mixed batch, smoothed where the head has `ls_eps`; what `loss_cfg`
    says where the head has that.
    """

    def connect(self, models: Models) -> None:
        """Checks that the pair is a model and the labels."""
        if self.second != GROUND_TRUTH:
            raise ValueError(f"the pair of {type(self).__name__} is [a model, {GROUND_TRUTH}], not {list(self.pair)}")
        self._check_names((self.first,), models)

    def forward(self, outputs: Outputs, models: Models, batch: Mapping[str, Tensor]) -> Tensor:
        """Outputs for a batch -> a scalar."""
        return models[self.first].loss(outputs[self.first]["logits"], batch)


@DISTILLATION_LOSSES.register
class DistillationDMLLoss(_ScoreLoss):
    """Mutual learning: (KL(p || q) + KL(q || p)) / 2 of the two models' probabilities, mean over the batch.

    Both learn, where they are not frozen (Zhang et al., "Deep Mutual Learning", CVPR 2018, section 2; the mean of both
    directions and `eps` are PaddleVideo's).

    Args:
        act: how logits become probabilities.
        eps: added to both probabilities inside the logarithm.

    Raises:
        ValueError: for an `eps` that is not above 0.
    """

    def __init__(
        self,
        model_name_pairs: tuple[str, str],
        loss_weight: float = 1.0,
        act: Literal["softmax"] = "softmax",
        eps: float = 1e-12,
    ) -> None:
        super().__init__(model_name_pairs, loss_weight)
        if eps <= 0:
            raise ValueError(f"eps={eps} must be above 0")
        self.eps = eps
        self.trained = (self.first, self.second)

    def forward(self, outputs: Outputs, models: Models, batch: Mapping[str, Tensor]) -> Tensor:
        """Outputs for a batch -> a scalar."""
        p, q = (F.softmax(outputs[name]["logits"].astype("float32"), axis=-1) for name in self.pair)
        ratio = ((p + self.eps) / (q + self.eps)).log()  # [N, K]
        return ((p - q) * ratio).sum(axis=-1).mean() / 2


@DISTILLATION_LOSSES.register
class DistillationKLLoss(_ScoreLoss):
    """Knowledge distillation: T^2 KL(teacher || student), both softened by a temperature T, mean over the batch.

    The first of the pair learns from the second, which gets no gradient. T^2 keeps the gradient's size whatever T
    (Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, section 2).

    Args:
        temperature: T, above 0; the logits are divided by it before the softmax.

    Raises:
        ValueError: for a temperature that is not above 0.
    """

    def __init__(self, model_name_pairs: tuple[str, str], loss_weight: float = 1.0, temperature: float = 4.0) -> None:
        super().__init__(model_name_pairs, loss_weight)
        if temperature <= 0:
            raise ValueError(f"temperature={temperature} must be above 0")
        self.temperature = temperature

    def forward(self, outputs: Outputs, models: Models, batch: Mapping[str, Tensor]) -> Tensor:
        """Outputs for a batch -> a scalar."""
        log_p = self._log_softened(outputs[self.second]["logits"].detach())
        log_q = self._log_softened(outputs[self.first]["logits"])
        return self.temperature**2 * (log_p.exp() * (log_p - log_q)).sum(axis=-1).mean()

    def _log_softened(self, logits: Tensor) -> Tensor:
        """log softmax(logits / T), [N, K]. Paddle's own log_softmax gives -64 for all that is less, on a CPU."""
        soft = logits.astype("float32") / self.temperature
        return soft - soft.logsumexp(axis=-1, keepdim=True)


@DISTILLATION_LOSSES.register
class DistillationHintLoss(DistillationLoss):
    """Feature hints: the mean squared difference of two models' features, over the batch and the channels.

    The first of the pair learns from the second, which gets no gradient. Where they have unlike channels, a linear
    layer, learned with the rest and left behind with the training, leads from the first's to the second's (Romero et
    al., "FitNets", ICLR 2015, section 2.2).

    Args:
        feature: what is compared: "backbone", the output of the backbone averaged over place and time, [N, C].
    """

    wants_feature = True

    def __init__(
        self,
        model_name_pairs: tuple[str, str],
        loss_weight: float = 1.0,
        feature: Literal["backbone"] = "backbone",
    ) -> None:
        super().__init__(model_name_pairs, loss_weight)
        self.feature = feature
        self.led = f"feature for {self.second}"
        self.trained = ()  # features, not scores

    def connect(self, models: Models) -> None:
        """As above; makes the linear layer where one is needed."""
        super().connect(models)
        ours, theirs = (models[name].head.in_channels for name in self.pair)
        self.regressor = nn.Linear(ours, theirs) if ours != theirs else nn.Identity()

    def learned(self, outputs: Outputs) -> dict[str, Tensor]:
        """The first's feature led to the channels of the second's, [N, C]."""
        return {self.led: self.regressor(outputs[self.first]["feature"])}

    def forward(self, outputs: Outputs, models: Models, batch: Mapping[str, Tensor]) -> Tensor:
        """Outputs for a batch -> a scalar."""
        ours, theirs = outputs[self.first][self.led], outputs[self.second]["feature"].detach()  # [N, C]
        return F.mse_loss(ours.astype("float32"), theirs.astype("float32"))
