"""Models trained together: a student that learns from a teacher, or models that learn from each other."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import paddle
from paddle import Tensor, nn

from paddlevideo.modeling.backbones.vision_transformer import VisionTransformer
from paddlevideo.modeling.framework.base import Recognizer
from paddlevideo.modeling.framework.runtime import RuntimeConfig
from paddlevideo.modeling.losses.distillation import GROUND_TRUTH, DistillationLoss
from paddlevideo.registry import BACKBONES, DISTILLATION_LOSSES, HEADS, RECOGNIZERS

STUDENT = "Student"
Framework = Literal["Recognizer2D", "RecognizerTransformer"]


@dataclass
class ModelSection:
    """One of the `models`: what MODEL says of a single one, and where it starts from.

    Attributes:
        framework: None: the one that the backbone needs.
        weights: file of the whole model, loaded when a training begins; in place of the backbone's `pretrained`.

    Raises:
        ValueError: the parts do not fit, see `Recognizer2D` and `RecognizerTransformer`.
    """

    backbone: Annotated[nn.Layer, BACKBONES]
    head: Annotated[nn.Layer, HEADS]
    framework: Framework | None = None
    runtime_cfg: RuntimeConfig | None = None
    weights: str | None = None

    def __post_init__(self) -> None:
        kind = RECOGNIZERS.get(self.framework or framework_of(type(self.backbone)))
        self.model: Recognizer = kind(self.backbone, self.head, self.runtime_cfg)


@dataclass
class LossSection:
    """The losses of a training; their weighted sum is what it makes small."""

    Train: list[Annotated[DistillationLoss, DISTILLATION_LOSSES]]


@RECOGNIZERS.register
class RecognizerDistillation(nn.Layer):
    """Models side by side on the same clips. The one called Student is the one that is evaluated; the names of the
    others are free. Each is a sublayer of its name, so arrays are called `Teacher.backbone...`, `Student.head...`.

    A frozen model stays in evaluation mode whatever the others are in: no dropout, its running statistics as loaded,
    no gradients.

    Args:
        models: one-key mappings, name -> model.
        loss: what is made small.
        freeze_params_list: the names of the models that are not trained; or, as PaddleVideo writes it, true or false
            for each model in its order. None: all are trained.

    Attributes:
        score_kind, multi_label, layout: the student's, see `Recognizer`.
        names: of the models, in the order of the config.
        frozen: those of them that are not trained.
        weights: name -> file that the model starts from, see `ModelSection`.

    Raises:
        ValueError: no student, a name that cannot be one, a loss between models that are not there or do not fit, or a
            model that neither is frozen nor learns anything.
    """

    def __init__(
        self,
        models: list[dict[str, ModelSection]],
        loss: LossSection,
        freeze_params_list: list[bool | str] | None = None,
    ) -> None:
        super().__init__()
        self.names = model_names(models)
        sections = {name: section for one in models for name, section in one.items()}
        student = sections[STUDENT].model
        self.score_kind, self.multi_label, self.layout = student.score_kind, student.multi_label, student.layout
        self.weights = {name: section.weights for name, section in sections.items()}
        self.losses = nn.LayerList()
        self.frozen: list[str] = []
        for name in self.names:
            if hasattr(self, name) or not re.fullmatch(r"[A-Za-z]\w*", name) or name == GROUND_TRUTH:
                raise ValueError(f"models: a model cannot be called {name!r}")
            self.add_sublayer(name, sections[name].model)
        self.frozen = _frozen(freeze_params_list or [], self.names)
        for name in self.frozen:
            for parameter in self.models[name].parameters():
                parameter.stop_gradient = True
        self.losses.extend(self._connected(loss.Train))
        self._hinted = {name for one in self.losses if one.wants_feature for name in one.pair}
        self._hold_frozen()

    def _connected(self, losses: Sequence[DistillationLoss]) -> Sequence[DistillationLoss]:
        """The losses, each checked against the models and every model against the losses."""
        for i, one in enumerate(losses):
            try:
                one.connect(self.models)
            except ValueError as error:
                raise ValueError(f"loss.Train.{i}: {error}") from None
        trained = {name for one in losses for name in one.trained}
        if idle := [name for name in self.names if name not in self.frozen and name not in trained]:
            raise ValueError(f"loss.Train: no loss trains the scores of {idle[0]}; add one, or freeze it")
        return losses

    @property
    def models(self) -> dict[str, Recognizer]:
        """Name -> model, in the order of the config."""
        return {name: getattr(self, name) for name in self.names}

    @property
    def student(self) -> Recognizer:
        """The model that is evaluated and kept; its arrays have the names of an ordinary checkpoint."""
        return self.models[STUDENT]

    def train(self, mode: bool = True) -> RecognizerDistillation:
        """Sets the mode of all models but the frozen ones."""
        super().train() if mode else super().eval()
        self._hold_frozen()
        return self

    def _hold_frozen(self) -> None:
        """Evaluation mode for the frozen models. Their own `eval` would switch Paddle's global mode too."""
        for name in self.frozen:
            for layer in self.models[name].sublayers(include_self=True):
                layer.training = False

    def inputs(self, batch: Mapping[str, Tensor]) -> Tensor:
        """See `Recognizer.inputs`; in the student's order of axes."""
        return self.student.inputs(batch)

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """A batch as the student takes it -> model -> "logits" [N, K], and what losses ask for besides."""
        self._hold_frozen()  # DataParallel sets the mode of all layers by itself
        imgs = self.inputs(batch)
        outputs: dict[str, dict[str, Tensor]] = {}
        for name, model in self.models.items():
            own = {"imgs": imgs if model.layout == self.layout else imgs.transpose(self._axes(model))}
            with paddle.no_grad() if name in self.frozen else contextlib.nullcontext():
                if name in self._hinted:
                    outputs[name] = dict(zip(("logits", "feature"), model.with_feature(own)))
                else:
                    outputs[name] = {"logits": model(own)}
        for one in self.losses:
            outputs[one.first] |= one.learned(outputs)
        return outputs

    def logits(self, outputs: Mapping[str, Mapping[str, Tensor]]) -> Tensor:
        """What `forward` gives -> the student's logits [N, K]."""
        return outputs[STUDENT]["logits"]

    def loss(self, outputs: Mapping[str, Mapping[str, Tensor]], batch: Mapping[str, Tensor]) -> Tensor:
        """What `forward` gives, and its batch -> the weighted sum of the losses, a scalar."""
        return sum(one.loss_weight * one(outputs, self.models, batch) for one in self.losses)

    def accuracy(self, outputs: Mapping[str, Mapping[str, Tensor]], batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The student's, see `Recognizer.accuracy`."""
        return self.student.accuracy(self.logits(outputs), batch)

    def scores(self, imgs: Tensor) -> Tensor:
        """The student's, see `Recognizer.scores`."""
        return self.student.scores(imgs)

    def predict(self, imgs: Tensor) -> Tensor:
        """The student's, see `Recognizer.predict`."""
        return self.student.predict(imgs)

    def check_frames(self, shape: Sequence[int], views: int | None = None) -> None:
        """Raises ValueError when a batch of frames does not fit the student or, in its own order of axes, another."""
        self.student.check_frames(shape, views)
        for name, model in self.models.items():
            try:
                model.check_frames([shape[axis] for axis in self._axes(model)], views)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None

    def _axes(self, model: Recognizer) -> list[int]:
        """Where the axes of a model's batches lie in the student's: for "cthw" in "tchw" [0, 2, 1, 3, 4]."""
        return [0, *(1 + self.layout.index(axis) for axis in model.layout)]


def framework_of(backbone: type) -> Framework:
    """The framework for a class of backbones."""
    return "RecognizerTransformer" if issubclass(backbone, VisionTransformer) else "Recognizer2D"


def model_names(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the models in order. Raises ValueError unless each is named once and one of them is Student."""
    if wrong := [list(one) for one in models if len(one) != 1]:
        raise ValueError(f"models: each item is one name and its model, not {wrong[0]}")
    names = [name for one in models for name in one]
    if len(set(names)) < len(names) or STUDENT not in names:
        raise ValueError(f"models: each needs a name of its own, and one must be {STUDENT}; got {', '.join(names)}")
    return names


def _frozen(listed: Sequence[bool | str], names: Sequence[str]) -> list[str]:
    """The names of the models that are not trained, in their order."""
    if all(isinstance(one, bool) for one in listed):
        if listed and len(listed) != len(names):
            raise ValueError(f"freeze_params_list has {len(listed)} values for {len(names)} models")
        frozen = [name for name, yes in zip(names, listed) if yes]
    elif unknown := [one for one in listed if one not in names]:
        raise ValueError(f"freeze_params_list: there is no model {unknown[0]!r}; the models are {', '.join(names)}")
    else:
        frozen = [name for name in names if name in listed]
    if STUDENT in frozen:
        raise ValueError(f"freeze_params_list: a frozen {STUDENT} learns nothing")
    return frozen
