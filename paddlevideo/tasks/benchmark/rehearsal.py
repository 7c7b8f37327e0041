"""A training run without data: the trainer of a config, on clips of noise that lie in memory.

All else is as in a run: the shapes that PIPELINE.train gives, MIX, model, optimizer, schedule, meters, log file and
progress bar. So what is measured of it is what a run takes, but for its data.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from paddlevideo.config import Resolved
from paddlevideo.loader.batch import Batch
from paddlevideo.loader.clip import Clip
from paddlevideo.loader.dataloader import ClipLoader
from paddlevideo.loader.pipelines.decode import FrameDecoder
from paddlevideo.tasks import run, schema
from paddlevideo.tasks.clock import Clock
from paddlevideo.tasks.meter import Meter
from paddlevideo.tasks.schema import RootSection
from paddlevideo.tasks.start import TrainOptions
from paddlevideo.tasks.train import Trainer
from paddlevideo.utils import files, log
from paddlevideo.utils.signals import StopRequest

DISTINCT = 4  # batches that differ; more would only take memory
SLOWER = 1000  # times that the learning rates are lowered: many steps on noise must not end in numbers that are none


@dataclass(frozen=True)
class Script:
    """What is rehearsed: a config, for clips that are made up.

    Attributes:
        resolved: the config, changed to write into a scratch folder only.
        batches: of each round, `steps` of them.
        options: of the trainer.
    """

    resolved: Resolved[RootSection]
    batches: list[Batch]
    options: TrainOptions


class Sink(io.StringIO):
    """A terminal that nobody looks at, so that progress bars are drawn."""

    def isatty(self) -> bool:
        return True


class NoiseVideo(run.BlankVideo):
    """A video whose frames are noise of its own."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def read(self, indices: Any) -> np.ndarray:
        """[len(indices), 256, 340, 3] uint8."""
        return self.rng.integers(0, 256, (len(indices), *run.BLANK_SIZE, 3), "uint8")


def noise_decode(clip: Clip, rng: np.random.Generator) -> Clip:
    """A decode step that opens no file."""
    source = NoiseVideo(rng)
    return Clip(path=clip.path, label=clip.label, source=source, num_frames=source.num_frames)


def script(
    config: str, overrides: list[str], batch: int, steps: int, folder: Path, *, listed: int = 0, **options: Any
) -> Script:
    """Prepares `steps` batches of `batch` clips, of which the first few differ.

    Args:
        folder: an empty one, for the list of the clips and for all that the run writes.
        listed: clips in that list, where it is to be longer than the steps need.
        options: of the trainer, see TrainOptions.
    Raises:
        UserError: the config has a fault, or its parts do not fit.
    """
    resolved = schema.load(config, overrides)
    cfg = resolved.root
    frames = isinstance(run.pipeline_of(cfg, "train").decode, FrameDecoder)
    several, classes = run.multi_label(cfg), run.num_classes(cfg)
    lines = [f"noise{i} {'300 ' if frames else ''}{i % classes}\n" for i in range(max(listed, batch * steps))]
    listing = folder / "train.list"
    files.write_text(listing, "".join(lines))
    data = {"format": "FrameDataset" if frames else "VideoDataset", "file_path": str(listing), "multi_label": several}
    changes: dict[str, Any] = {
        "DATASET.train": data,
        "DATASET.labels": None,
        "DATASET.batch_size": batch,
        "DATASET.num_workers": 0,
        "GRADIENT_ACCUMULATION": None,
        "PRECISEBN": None,
        "save_interval": 1,
        "output_dir": str(folder),
        "log_dir": None,
        "resume_epoch": 0,
        **_slow_rates(resolved.data.get("OPTIMIZER"), batch),
    }
    changed = [f"{key}={json.dumps(value)}" for key, value in changes.items()]
    resolved = schema.load(config, [*overrides, *changed])
    pipeline = run.pipeline_of(resolved.root, "train").with_decode(noise_decode)
    spec = resolved.root.DATASET.train
    assert spec is not None  # it was given above
    loader = ClipLoader(spec.build(), pipeline, batch_size=batch, drop_last=True, mix=resolved.root.MIX)
    made = [each for each, _ in zip(loader.epoch(0), range(min(steps, DISTINCT)))]
    batches = [made[i % len(made)] for i in range(steps)]
    return Script(resolved, batches, TrainOptions(scale_lr=True, initial=True, max_iters=steps, **options))


def _slow_rates(section: dict[str, Any] | None, batch: int) -> dict[str, Any]:
    """Says that the recipe is for so large a batch that --scale-lr makes its rates small."""
    if section is None:
        return {}
    rates = section["learning_rate"]
    own = isinstance(rates, dict) and rates.get("base_batch_size") is not None
    keys = ["OPTIMIZER.base_batch_size", *(["OPTIMIZER.learning_rate.base_batch_size"] if own else [])]
    return dict.fromkeys(keys, batch * SLOWER)


class Rehearsal:
    """The trainer at its work on the batches of a script, which it takes for an epoch.

    Attributes:
        trainer: the real one.
        feed: gives the batches of the next round.
    """

    def __init__(self, play: Script) -> None:
        self.steps = len(play.batches)
        cfg = play.resolved.root
        log.setup(cfg.output / f"{cfg.model_name}.log")
        with unseen():
            self.trainer = Trainer(play.resolved, play.options)
        self.feed: Callable[[], Iterator[Batch]] = lambda: iter(play.batches)
        self.trainer.loader.epoch = lambda epoch, start_batch=0: self.feed()  # type: ignore[method-assign]

    def round(self) -> None:
        """Every batch once, as the first epoch of a run; ends when the device has done."""
        trainer = self.trainer
        trainer.state.step = 0
        trainer.meter, trainer.clock = Meter(), Clock(self.steps)
        with unseen():
            trainer.train_epoch(0, StopRequest())
        wait(trainer.net)

    def close(self) -> None:
        """Ends what the trainer holds, and its log file."""
        self.trainer.close()
        log.setup()


def wait(model: paddle.nn.Layer) -> None:
    """Returns when the device has done its last update of a model's weights."""
    model.parameters()[-1].numpy()


@contextmanager
def unseen() -> Iterator[None]:
    """Lets the run print as on a terminal, where nobody sees it."""
    with redirect_stdout(Sink()), redirect_stderr(Sink()):
        yield
