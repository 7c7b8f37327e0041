"""What the commands share: making the model and the loaders that a config describes, and checking that they fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from paddle import nn

from paddlevideo.config import Spec
from paddlevideo.loader.clip import Clip
from paddlevideo.loader.dataloader import ClipLoader
from paddlevideo.loader.pipelines.decode import FrameDecoder, VideoDecoder
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.modeling import weights
from paddlevideo.tasks.labels import class_names
from paddlevideo.tasks.likely import hint
from paddlevideo.tasks.schema import RootSection, Split
from paddlevideo.utils import dist
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger

BLANK_SIZE = (256, 340)  # height and width of the blank video that shows a pipeline's output shape


def build_model(cfg: RootSection) -> Any:
    """The model of MODEL with its initial weights."""
    return cfg.MODEL.build()


def load_pretrained(model: Any) -> None:
    """Loads the backbone's `pretrained` file into it, where the config names one."""
    if path := getattr(model.backbone, "pretrained", None):
        _load(path, model.backbone, lambda: weights.load_pretrained(model.backbone, path))


def load_weights(model: nn.Layer, path: str | Path, new_head: bool = False) -> None:
    """Loads a checkpoint strictly, logging what was done."""
    _load(path, model, lambda: weights.load_weights(model, path, new_head=new_head))


def _load(path: str | Path, model: nn.Layer, load: Callable[[], list[str]]) -> None:
    """Logs what was loaded; an error also names what would fit the file."""
    try:
        lines = load()
    except UserError as error:
        raise UserError(f"{error}{hint(path, model)}") from error
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
            "MODEL.head.loss_cfg: {name: BinaryCrossEntropyLoss} and METRIC: {name: MultiLabelMetric}"
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


def num_classes(cfg: RootSection) -> int:
    """Classes of the model's head, before it is built."""
    return cfg.MODEL.arguments["head"].arguments["num_classes"]


def multi_label(cfg: RootSection) -> bool:
    """Whether the model's head is for several labels a video, before it is built."""
    loss = cfg.MODEL.arguments["head"].arguments.get("loss_cfg")
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
        model.check_frames([1, *shape], clip.views)
    except ValueError as error:
        raise UserError(f"PIPELINE.{split} and MODEL do not fit: {error}") from None
    return shape


def check_metric(cfg: RootSection) -> None:
    """Raises UserError when METRIC is of one label a video and the model of several, or the other way round."""
    metric, several = cfg.METRIC.build(), multi_label(cfg)
    if metric.multi_label == several:
        return
    name = type(metric).__name__
    if several:
        text = (
            f"{name} is of one label a video, MODEL.head.loss_cfg of any number; set METRIC: {{name: MultiLabelMetric}}"
        )
    else:
        text = (
            f"{name} is of any number of labels a video, the model of one; set MODEL.head.loss_cfg: "
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
