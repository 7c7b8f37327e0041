"""The root of a config file: its sections, and the keys of PaddleVideo files that are read but not needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from paddlevideo import config, loader, metrics, modeling, solver  # noqa: F401 - fills the tables
from paddlevideo.config import Resolved, Spec
from paddlevideo.loader.pipelines.mix import Mix
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.registry import DATASETS, METRICS, MIXES, OPTIMIZERS, RECOGNIZERS
from paddlevideo.solver.optimizer import Optimizer

Split = Literal["train", "valid", "test"]

IGNORED = {
    "INFERENCE": "prediction prepares clips with PIPELINE.test, the pipeline that was tested",
    "log_level": "nothing ever read it",
    "resume_from": "nothing ever read it; use --resume",
    "DATASET.shuffle_valid": "the order of evaluation changes no figure",
    "VideoDataset.num_retries": "what on_error does with an unreadable video replaces it",
    "FrameDataset.num_retries": "what on_error does with an unreadable video replaces it",
    "ppTSMHead.num_seg": "the backbone's num_seg settles how many frames a clip has",
    "CenterCrop.backend": "a crop does not resize",
    "MultiCropMetric.num_classes": "the head's num_classes tells it",
    "MODEL.loss.Val": "the loss of validation is the cross entropy of the student's scores",
    "Sampler.use_pil": "frames are arrays throughout",
    "UniformCrop.backend": "a crop does not resize",
    "VisionTransformer_tweaks.wd_bias": "the reference reads it and does nothing with it",
    "VisionTransformer_tweaks.lr_mult_list": "the reference reads it and does nothing with it",
    "use_xpu": "the device is Paddle's, or --use_gpu",
    "Normalization.tensor_shape": "the axes follow the layout that Image2Array names",
}

SHARED = ["num_seg"]


def _positive(section: str, **values: int | None) -> None:
    for key, value in values.items():
        if value is not None and value < 1:
            raise ValueError(f"{section}{key} must be at least 1, got {value}")


@dataclass(frozen=True)
class DatasetSection:
    """DATASET: lists of videos and how they are batched. Batch sizes are per process.

    Attributes:
        labels: file of class names; data sets that take `labels` and are not given it get this one.
    """

    train: Annotated[Spec, DATASETS] | None = None
    valid: Annotated[Spec, DATASETS] | None = None
    test: Annotated[Spec, DATASETS] | None = None
    batch_size: int = 8
    valid_batch_size: int | None = None
    test_batch_size: int = 8
    num_workers: int = 0
    valid_num_workers: int | None = None
    test_num_workers: int | None = None
    labels: str | None = None

    def __post_init__(self) -> None:
        sizes = {"batch_size": self.batch_size, "valid_batch_size": self.valid_batch_size}
        _positive("", **sizes, test_batch_size=self.test_batch_size)
        for key in ("num_workers", "valid_num_workers", "test_num_workers"):
            if (getattr(self, key) or 0) < 0:
                raise ValueError(f"{key} must not be negative, got {getattr(self, key)}")
        for split in ("train", "valid", "test"):
            spec = getattr(self, split)
            if spec is not None and "labels" in config.parameters(spec.target):
                own = {"labels": self.labels, **{k: v for k, v in spec.arguments.items() if v is not None}}
                object.__setattr__(self, split, replace(spec, arguments={**spec.arguments, **own}))

    def batch_of(self, split: Split) -> int:
        """Clips a batch on one process."""
        sizes = {"train": self.batch_size, "valid": self.valid_batch_size or self.batch_size}
        return sizes.get(split, self.test_batch_size)

    def workers_of(self, split: Split) -> int:
        """Loader processes of one process."""
        own = {"valid": self.valid_num_workers, "test": self.test_num_workers}.get(split)
        return self.num_workers if own is None else own


@dataclass(frozen=True)
class PipelineSection:
    """PIPELINE: what is done to the clips of each split."""

    train: Pipeline | None = None
    valid: Pipeline | None = None
    test: Pipeline | None = None


@dataclass(frozen=True)
class AccumulationSection:
    """GRADIENT_ACCUMULATION: clips that one optimizer step sees, over all processes and micro-steps."""

    global_batch_size: int

    def __post_init__(self) -> None:
        _positive("", global_batch_size=self.global_batch_size)


@dataclass(frozen=True)
class PreciseBNSection:
    """PRECISEBN: the statistics of batch normalisation are measured anew after epochs 1, 1 + n, ... and the last.

    Attributes:
        preciseBN_interval: n, epochs between.
        num_iters_preciseBN: training batches to measure on, at most, on each process.
    """

    preciseBN_interval: int
    num_iters_preciseBN: int

    def __post_init__(self) -> None:
        _positive("", preciseBN_interval=self.preciseBN_interval, num_iters_preciseBN=self.num_iters_preciseBN)


@dataclass(frozen=True)
class RootSection:
    """A whole config. Section names are those of PaddleVideo files.

    `num_seg`, frames of a clip, is a short hand: it is given to every component that takes an argument of this name.
    """

    MODEL: Annotated[Spec, RECOGNIZERS]
    DATASET: DatasetSection
    PIPELINE: PipelineSection
    model_name: str
    OPTIMIZER: Annotated[Optimizer, OPTIMIZERS] | None = None
    METRIC: Annotated[Spec, METRICS] = field(
        default_factory=lambda: Spec(METRICS.get("CenterCropMetric"), {}, "METRIC", "", ("name", "CenterCropMetric"))
    )
    GRADIENT_ACCUMULATION: AccumulationSection | None = None
    MIX: Annotated[Mix, MIXES] | None = None
    PRECISEBN: PreciseBNSection | None = None
    num_seg: int | None = None
    output_dir: str | None = None
    log_dir: str | None = None
    epochs: int = 1
    log_interval: int = 10
    save_interval: int = 1
    val_interval: int = 1
    resume_epoch: int = 0

    def __post_init__(self) -> None:
        _positive("", epochs=self.epochs, log_interval=self.log_interval)
        _positive("", save_interval=self.save_interval, val_interval=self.val_interval)
        if self.resume_epoch < 0:
            raise ValueError(f"resume_epoch must not be negative, got {self.resume_epoch}")
        if not self.model_name or Path(self.model_name).name != self.model_name:
            raise ValueError(f"model_name names files, so it cannot be {self.model_name!r}")

    @property
    def output(self) -> Path:
        """Where checkpoints and logs go."""
        return Path(self.output_dir or f"output/{self.model_name}")


def load(path: str | Path, overrides: list[str] | None = None) -> Resolved[RootSection]:
    """Reads and checks a config file. Raises ConfigError with every fault."""
    return config.load(path, RootSection, overrides or [], IGNORED, SHARED)


def announce(resolved: Resolved[RootSection], say: Callable[[str], object]) -> None:
    """Says once which keys were read but not needed, and why, and which values a shared one replaced."""
    for key, reason in resolved.notes.items():
        say(f"{key} is not needed here: {reason}")
    for key, places in resolved.replaced.items():
        say(f"{key}: {resolved.data[key]} replaces what the file says at {', '.join(places)}")
