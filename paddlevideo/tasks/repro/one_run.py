"""The process of one run: trains a config for some steps and writes their checksums, or one array of one step."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paddlevideo.tasks.repro.record import About, Part, Step, line
from paddlevideo.utils import environment
from paddlevideo.utils.checksum import array_crc
from paddlevideo.utils.errors import UserError

if TYPE_CHECKING:
    from paddlevideo.tasks.train import Trainer


@dataclass(frozen=True)
class Request:
    """What to run.

    Attributes:
        config, overrides, seed, use_gpu, deterministic: as for `paddlevideo train`.
        steps: optimizer steps, fewer where the training is over before; 0 only builds the model.
        out: where the record goes, or the array.
        keep: (part, name) of an array of the last step, to be written as .npy instead of a record.
    """

    config: str
    overrides: list[str]
    seed: int
    use_gpu: bool | None
    deterministic: bool
    steps: int
    out: str
    keep: tuple[Part, str] | None = None

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Request:
        """From what `dump` gave."""
        values = json.loads(text)
        return cls(**{**values, "keep": values["keep"] and tuple(values["keep"])})


class Enough(BaseException):
    """All steps are done. Not an error, which the trainer would save a checkpoint for."""


class Recorder:
    """The trainer's watch: writes a line a step, and ends the run after the last."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.number = 0

    def begin(self, trainer: Trainer) -> None:
        """Notes the circumstances, and the model before the first step."""
        request = self._request
        if request.keep is None:
            about = About(_device(), environment.threads(), trainer.loader.num_workers, request.deterministic)
            Path(request.out).write_text(line(about), encoding="utf-8")
        self._note(1, _parameters(trainer))

    def __call__(self, trainer: Trainer, batches: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
        self.number += 1
        self._note(trainer.state.epoch + 1, _arrays(trainer, batches, found))

    def _note(self, epoch: int, arrays: Iterator[tuple[Part, str, np.ndarray]]) -> None:
        last = self.number == self._request.steps
        if self._request.keep is None:
            step = Step(self.number, epoch)
            for part, name, array in arrays:
                step.sums.setdefault(part, {})[name] = array_crc(array)
            with Path(self._request.out).open("a", encoding="utf-8") as out:
                out.write(line(step))
        elif last:
            kept = next((array for part, name, array in arrays if (part, name) == self._request.keep), None)
            if kept is not None:
                np.save(self._request.out, kept, allow_pickle=False)
        if last:
            raise Enough


def _arrays(
    trainer: Trainer, batches: list[dict[str, Any]], found: list[dict[str, Any]]
) -> Iterator[tuple[Part, str, np.ndarray]]:
    """All that a step computed, in that order; gradients from the last layer to the first, as they come into being."""
    from paddlevideo.tasks.tensors import MODEL_KEYS

    for number, batch in enumerate(batches, 1):
        of = f" of micro-batch {number}" if len(batches) > 1 else ""
        for key in ("index", *MODEL_KEYS):
            if key in batch:
                yield "batch", key + of, np.asarray(batch[key])
    for number, values in enumerate(found, 1):
        of = f" of micro-batch {number}" if len(batches) > 1 else ""
        yield "loss", "loss" + of, values["loss"].numpy()
    for name, parameter in reversed(list(trainer.net.named_parameters())):
        if parameter.grad is not None:
            yield "gradient", name, parameter.grad.numpy()
    yield from _parameters(trainer)


def _parameters(trainer: Trainer) -> Iterator[tuple[Part, str, np.ndarray]]:
    """Weights and running statistics."""
    for name, value in trainer.net.state_dict().items():
        yield "parameter", name, value.numpy()


def work(request: Request) -> None:
    """Trains as `paddlevideo train` would, without validating."""
    from paddlevideo.tasks import session
    from paddlevideo.tasks.start import TrainOptions
    from paddlevideo.tasks.train import Trainer

    resolved = session.begin(
        request.config, request.overrides, request.use_gpu, deterministic=request.deterministic, log_file=False
    )
    recorder = Recorder(request)
    trainer = Trainer(resolved, TrainOptions(seed=request.seed), watch=recorder)
    with closing(trainer), suppress(Enough):
        recorder.begin(trainer)
        trainer.run()


def _device() -> str:
    """CPU or GPU."""
    import paddle

    return "CPU" if paddle.device.get_device() == "cpu" else "GPU"


def main(text: str) -> int:
    """What the child process does. Returns its exit code."""
    environment.import_paddle()
    try:
        work(Request.load(text))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
