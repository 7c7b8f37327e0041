"""What the commands share: making the model and the loaders that a config describes, and checking that they fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from paddle import nn

from paddlevideo.config import Spec
from paddlevideo.loader.clip import Clip
from paddlevideo.loader.dataloader import ClipLoader
from paddlevideo.loader.pipelines.decode import FrameDecoder, VideoDecoder
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.modeling import students, weights
from paddlevideo.modeling.framework.distillation import STUDENT, RecognizerDistillation
from paddlevideo.tasks.labels import class_names
from paddlevideo.tasks.likely import hint
from paddlevideo.tasks.schema import RootSection, Split
from paddlevideo.utils import dist
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger

BLANK_SIZE = (256, 340)  # height and width of the blank video that shows a pipeline's output shape


def build_model(cfg: RootSection) -> Any:
    """The model of MODEL with its initial weights: what is trained."""
    return cfg.MODEL.build()


def tested_spec(cfg: RootSection) -> Spec:
    """What is tested, exported and counted: MODEL, or of a distillation the student alone."""
    return students.student_spec(cfg.MODEL)


def build_tested(cfg: RootSection) -> Any:
    """The model of `tested_spec` with its initial weights."""
    return tested_spec(cfg).build()


@dataclass(frozen=True)
class Start:
    """What the config says about the weights that a model starts a training with.

    Attributes:
        place: the model's place in the config: "MODEL", "MODEL.models.0.Teacher".
        key: what is said there: "weights", "backbone.pretrained".
        file: None where none is named, though the model is not to be trained.
        part: what the file is loaded into, by `load`, which returns lines for the log.
    """

    place: str
    key: str
    file: str | None
    part: nn.Layer
    load: Callable[[Any, str], list[str]]

    @property
    def name(self) -> str:
        """The whole key."""
        return f"{self.place}.{self.key}"


def starts(model: Any) -> list[Start]:
    """The weight files that the config names for a model, or for each of a distillation."""
    if not isinstance(model, RecognizerDistillation):
        return _backbone_start("MODEL", model)
    found = []
    for i, (name, part) in enumerate(model.models.items()):
        place, file = f"MODEL.models.{i}.{name}", model.weights[name]
        whole = file or name in model.frozen
        start = Start(place, "weights", file, part, weights.load_weights)
        found += [start] if whole else _backbone_start(place, part)
    return found


def _backbone_start(place: str, model: Any) -> list[Start]:
    file = getattr(model.backbone, "pretrained", None)
    return [Start(place, "backbone.pretrained", file, model.backbone, weights.load_pretrained)] if file else []


def load_pretrained(model: Any) -> None:
    """Loads the files that the config names for the start of a training.

    Raises:
        UserError: a file that is missing or does not fit; none for a model that is frozen.
    """
    for start in starts(model):
        load_start(start)


def load_start(start: Start) -> None:
    """Loads one of these files; errors as for `load_pretrained`."""
    if start.file is None:
        raise UserError(
            f"{start.name} is missing: a model that is frozen (freeze_params_list) needs the weights of a whole model; "
            f"-o {start.name}=FILE"
        )
    try:
        _load(start.file, start.part, start.load, start.place)
    except UserError as error:
        raise UserError(f"{start.name}: {error}") from error


def load_weights(model: nn.Layer, path: str | Path, new_head: bool = False, place: str = "MODEL") -> None:
    """Loads a checkpoint strictly, logging what was done.

    A distillation takes the file of a whole one, or an ordinary file for its student; the other models then start with
    what the config names for them.

    Args:
        new_head: see `weights.load_weights`.
        place: of the model in the config, for advice.
    """
    student = students.student_of(model)
    if student is not model and not students.student_arrays(weights.read_state(path)):
        logger.info(f"{path} is of a single model: it is loaded into the student")
        for start in starts(model):
            if not start.place.endswith(f".{STUDENT}"):
                load_start(start)
        model = student
    _load(path, model, partial(weights.load_weights, new_head=new_head), place)


def _load(path: str | Path, model: nn.Layer, load: Callable[[Any, Any], list[str]], place: str) -> None:
    """Logs what was loaded; an error also names what would fit the file."""
    try:
        lines = load(model, path)
    except UserError as error:
        raise UserError(f"{error}{hint(path, model, place)}") from error
    for line in lines:
        logger.info(line)


def pipeline_of(cfg: RootSection, split: Split) -> Pipeline:
    """PIPELINE.<split>, which must be there."""
    pipeline = getattr(cfg.PIPELINE, split)
    if pipeline is None:
        raise UserError(f"PIPELINE.{split} is missing from the config; this command needs it")
    return pipeline


def build_loader(cfg: RootSection, split: Split, seed: int, clean: bool = False) -> ClipLoader:
    """The loader of one split for this rank; its labels are checked against the model's classes. `clean`: no MIX."""
    spec: Spec | None = getattr(cfg.DATASET, split)
    if spec is None:
        raise UserError(f"DATASET.{split} is missing from the config; this command needs it")
    dataset = spec.build()
    dataset.check_labels(num_classes(cfg))
    class_names(cfg.DATASET, num_classes(cfg))  # a wrong file is told now, not by the export days later
    pipeline = pipeline_of(cfg, split)
    used, fits = type(pipeline.decode), FrameDecoder if dataset.frames else VideoDecoder
    if used is not fits and used in (FrameDecoder, VideoDecoder):
        what = "folders of frames" if dataset.frames else "videos"
        raise UserError(
            f"{spec.where}: DATASET.{split} is of {what}, but PIPELINE.{split}.decode is {used.__name__}; "
            f"set decode: {{name: {fits.__name__}}}"
        )
    if dataset.multi_label and not multi_label(cfg):
        raise UserError(
            f"{spec.where}: DATASET.{split}: multi_label: True, but the model has one label a video; set "
            f"{tested_spec(cfg).path}.head.loss_cfg: {{name: BinaryCrossEntropyLoss}} "
            "and METRIC: {name: MultiLabelMetric}"
        )
    try:
        return ClipLoader(
            dataset,
            pipeline,
            batch_size=cfg.DATASET.batch_of(split),
            num_workers=cfg.DATASET.workers_of(split),
            seed=seed,
            shuffle=split == "train",
            drop_last=split == "train",
            mix=cfg.MIX if split == "train" and not clean else None,
            rank=dist.rank(),
            world_size=dist.world_size(),
        )
    except ValueError as error:
        raise UserError(f"{spec.where}: DATASET.{split}: {error}") from None


def model_specs(cfg: RootSection) -> list[Spec]:
    """The models of the config: MODEL, or of a distillation those of MODEL.models, whose paths are their own."""
    if cfg.MODEL.target is not RecognizerDistillation:
        return [cfg.MODEL]
    return [section for one in cfg.MODEL.arguments["models"] for section in one.values()]


def num_classes(cfg: RootSection) -> int:
    """Classes of the tested model's head, before it is built."""
    return tested_spec(cfg).arguments["head"].arguments["num_classes"]


def multi_label(cfg: RootSection) -> bool:
    """Whether the tested model's head is for several labels a video, before it is built."""
    loss = tested_spec(cfg).arguments["head"].arguments.get("loss_cfg")
    return loss is not None and loss.target.multi_label


class BlankVideo:
    """A black video of any length, for trying a pipeline without a file."""

    num_frames = 300
    fps: float | None = 30.0

    def read(self, indices: Any) -> np.ndarray:
        """Zeros [len(indices), 256, 340, 3]."""
        return np.zeros((len(indices), *BLANK_SIZE, 3), "uint8")


def blank_decode(clip: Clip, rng: np.random.Generator) -> Clip:
    """A decode step that opens no file."""
    source = BlankVideo()
    return Clip(path=clip.path, label=clip.label, source=source, num_frames=source.num_frames)


def blank_clip(pipeline: Pipeline) -> Clip:
    """What a pipeline makes of a blank video: the shape of what it gives the model."""
    return pipeline.with_decode(blank_decode)(Clip("a blank video"), np.random.default_rng(0))


def check_fit(cfg: RootSection, model: Any, split: Split) -> list[int]:
    """Checks that the clips of a split fit the model, before the first step. Returns the shape of one clip.

    Raises:
        UserError: the pipeline's frames, channels, axes or labels are not what the model takes.
    """
    check_metric(cfg)
    try:
        pipeline_of(cfg, split).check_labels(num_classes(cfg))
        clip = blank_clip(pipeline_of(cfg, split))
        shape = list(clip.shape)
    except ValueError as error:
        raise UserError(f"PIPELINE.{split}: {error}") from None
    try:
        checked = model if split == "train" else students.student_of(model)
        checked.check_frames([1, *shape], clip.views)
    except ValueError as error:
        raise UserError(f"PIPELINE.{split} and MODEL do not fit: {error}") from None
    return shape


def check_metric(cfg: RootSection) -> None:
    """Raises UserError when METRIC is of one label a video and the model of several, or the other way round."""
    metric, several = cfg.METRIC.build(), multi_label(cfg)
    if metric.multi_label == several:
        return
    name, key = type(metric).__name__, f"{tested_spec(cfg).path}.head.loss_cfg"
    if several:
        text = f"{name} is of one label a video, {key} of any number; set METRIC: {{name: MultiLabelMetric}}"
    else:
        text = (
            f"{name} is of any number of labels a video, the model of one; set {key}: "
            "{name: BinaryCrossEntropyLoss}, or METRIC: {name: CenterCropMetric}"
        )
    raise UserError(f"{cfg.METRIC.where}: METRIC: {text}")


def check_all_fit(cfg: RootSection) -> None:
    """`check_fit` for every split that has a pipeline."""
    model = build_model(cfg)
    splits: tuple[Split, ...] = ("train", "valid", "test")
    for split in splits:
        if getattr(cfg.PIPELINE, split) is not None:
            check_fit(cfg, model, split)
