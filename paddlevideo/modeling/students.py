"""The student of a distillation by itself: of a model, of a config's MODEL, and of the arrays in a weight file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from paddlevideo.config import Spec
from paddlevideo.modeling.framework.distillation import STUDENT, RecognizerDistillation, framework_of, model_names
from paddlevideo.registry import RECOGNIZERS
from paddlevideo.utils.errors import UserError

Array = TypeVar("Array")


def student_of(model: Any) -> Any:
    """The model that is evaluated and kept: the student of a distillation, any other model itself."""
    return model.student if isinstance(model, RecognizerDistillation) else model


def trained_state(model: Any) -> dict[str, Any]:
    """Name -> tensor of all of a model but what is frozen in a distillation."""
    frozen = tuple(f"{name}." for name in getattr(model, "frozen", ()))
    return {name: value for name, value in model.state_dict().items() if not name.startswith(frozen)}


def student_spec(spec: Spec) -> Spec:
    """MODEL of a config as if the student were its only model; any other MODEL as it is.

    Raises:
        UserError: the models have no student.
    """
    if spec.target is not RecognizerDistillation:
        return spec
    models = spec.arguments["models"]
    try:
        index = model_names(models).index(STUDENT)
    except ValueError as error:
        raise UserError(f"{spec.where}: {spec.path}: {error}") from None
    own = models[index][STUDENT]
    arguments = {key: own.arguments[key] for key in ("backbone", "head", "runtime_cfg") if key in own.arguments}
    name = own.arguments.get("framework") or framework_of(arguments["backbone"].target)
    return replace(own, target=RECOGNIZERS.get(name), arguments=arguments, naming=(RECOGNIZERS.key, name))


def student_arrays(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Of the arrays of a whole distillation those of the student, by their ordinary names; of others none."""
    prefix = f"{STUDENT}."
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
