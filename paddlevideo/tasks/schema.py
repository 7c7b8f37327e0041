"""The root of a config file: its sections, and the keys of PaddleVideo files that are read but not needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from paddlevideo import config, loader, metrics, modeling, solver, yaml_tree  # noqa: F401 - fills the tables
from paddlevideo.config import Resolved, Spec
from paddlevideo.loader.class_names import Names
from paddlevideo.loader.pipelines.mix import Mix
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.modeling import weights
from paddlevideo.registry import DATASETS, METRICS, MIXES, OPTIMIZERS, RECOGNIZERS
from paddlevideo.solver.average_plan import EMASection, SWASection
from paddlevideo.solver.optimizer import Optimizer
from paddlevideo.tasks.early_stopping import EarlyStopping
from paddlevideo.utils.errors import UserError

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
        labels: file of class names, or the names in id order; data sets that take `labels` and are not given it get
            these.
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
    labels: Names | None = None

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
class SaveIntervalSection:
    """save_interval: when a run saves; what comes first counts. The last epoch is always saved, and the best model.

    Attributes:
        epochs: after epochs 1, 1 + n, ... A plain number means this.
        iterations: after so many batches.
        minutes: when so much time has gone by since the last time.
    """

    epochs: int | None = None
    iterations: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        _positive("save_interval.", epochs=self.epochs, iterations=self.iterations)
        if self.minutes is not None and self.minutes <= 0:
            raise ValueError(f"save_interval.minutes must be above 0, got {self.minutes}")


@dataclass(frozen=True)
class RootSection:
    """A whole config. Section names are those of PaddleVideo files.

    Attributes:
        num_seg: frames of a clip, a short hand: it is given to every component that takes an argument of this name.
        keep_checkpoints: how many of those that `save_interval` asks for after epochs are kept; null: all.
        on_non_finite: what a loss or gradient that is no finite number does: "stop" ends the run, "skip" leaves that
            step out.
        sync_bn: batch normalisation over the batches of all processes, on GPUs.
        to_static: the model is compiled into a graph before training.
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
    EMA: EMASection | None = None
    SWA: SWASection | None = None
    early_stopping: EarlyStopping | None = None
    num_seg: int | None = None
    output_dir: str | None = None
    log_dir: str | None = None
    epochs: int = 1
    log_interval: int = 10
    save_interval: int | SaveIntervalSection = 1
    keep_checkpoints: int | None = None
    on_non_finite: Literal["stop", "skip"] = "stop"
    sync_bn: bool = False
    to_static: bool = False
    val_interval: int = 1
    resume_epoch: int = 0

    def __post_init__(self) -> None:
        _positive("", epochs=self.epochs, log_interval=self.log_interval)
        _positive("", val_interval=self.val_interval, keep_checkpoints=self.keep_checkpoints)
        if isinstance(self.save_interval, int):
            _positive("", save_interval=self.save_interval)
        for average in (self.EMA, self.SWA):
            if average is not None:
                average.check(self.epochs)
        if self.SWA and self.early_stopping:
            raise ValueError("early_stopping would end the run before the last epochs, which SWA averages; drop one")
        if self.resume_epoch < 0:
            raise ValueError(f"resume_epoch must not be negative, got {self.resume_epoch}")
        if not self.model_name or Path(self.model_name).name != self.model_name:
            raise ValueError(f"model_name names files, so it cannot be {self.model_name!r}")

    @property
    def saves(self) -> SaveIntervalSection:
        """`save_interval`, whichever way it is given."""
        every = self.save_interval
        return SaveIntervalSection(epochs=every) if isinstance(every, int) else every

    @property
    def output(self) -> Path:
        """Where checkpoints and logs go."""
        return Path(self.output_dir or f"output/{self.model_name}")


def load(path: str | Path, overrides: list[str] | None = None) -> Resolved[RootSection]:
    """Reads and checks a config file, or the config in a weight file that this program wrote.

    Raises:
        ConfigError: every fault.
    """
    if Path(path).suffix != ".pdparams":
        return config.load(path, RootSection, overrides or [], IGNORED, SHARED)
    tree = yaml_tree.parse(json.dumps(read_card(Path(path))["config"]), f"the config in {path}", lines=False)
    yaml_tree.override(tree, overrides or [])
    return config.resolve(tree, RootSection, IGNORED, SHARED)


def read_card(path: Path) -> dict[str, Any]:
    """What a weight file says about what made it: its config, data and versions; see `card.make_card`.

    Raises:
        UserError: it says nothing: it is of another program, or was converted.
    """
    card = read_card_if_any(path)
    if card is None:
        raise UserError(f"{path}: does not say which config it was trained with; give that with -c")
    return card


def read_card_if_any(path: Path) -> dict[str, Any] | None:
    """`read_card`; None where the file says nothing."""
    text = weights.read_card(path)
    if text is None:
        return None
    try:
        card = json.loads(text)
    except ValueError as error:
        raise UserError(f"{path}: what it says about itself is damaged ({error}); give its config with -c") from None
    if not isinstance(card, dict) or not isinstance(card.get("config"), dict):
        raise UserError(f"{path}: what it says about itself holds no config; give that with -c")
    return card


def due(epoch: int, epochs: int, interval: int | None) -> bool:
    """Whether what comes after epochs 1, 1 + interval, ... and the last comes after this zero-based one.

    Without an interval it comes after the last alone.
    """
    return epoch == epochs - 1 or (interval is not None and epoch % interval == 0)


def announce(resolved: Resolved[RootSection], say: Callable[[str], object]) -> None:
    """Says once which keys were read but not needed, and why, and which values a shared one replaced."""
    for key, reason in resolved.notes.items():
        say(f"{key} is not needed here: {reason}")
    for key, places in resolved.replaced.items():
        say(f"{key}: {resolved.data[key]} replaces what the file says at {', '.join(places)}")
