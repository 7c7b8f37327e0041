"""From sample indices to a batch of arrays. This is what runs in the worker processes; it never imports Paddle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.dataset import ListDataset
from paddlevideo.loader.pipelines.mix import Mix
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.loader.plan import mix_rng, sample_rng
from paddlevideo.loader.sources.unreadable import Unreadable
from paddlevideo.utils.errors import UserError

Batch = dict[str, Any]
SUBSTITUTE_TRIES = 20


class Failure(NamedTuple):
    """A video that could not be read."""

    path: str
    reason: str


@dataclass(frozen=True)
class Assembler:
    """Makes batches.

    Attributes:
        dataset, pipeline: where clips come from and how they are prepared.
        seed: of all randomness.
        training: a batch of which nothing can be read gets a substitute, so that all ranks take equally many steps.
        mix: blends the clips of a batch; None leaves them alone.
    """

    dataset: ListDataset
    pipeline: Pipeline
    seed: int
    training: bool
    mix: Mix | None = None

    def batch(self, epoch: int, indices: list[int]) -> tuple[Batch | None, list[Failure]]:
        """The batch of these samples, or None when none could be read, and those that could not."""
        failures: list[Failure] = []
        loaded: list[tuple[int, Clip]] = []
        for index in indices:
            rng = sample_rng(self.seed, epoch, index)
            clip = self.load(index, rng, failures)
            if clip is not None:
                loaded.append((index, clip))
            elif self.dataset.on_error == "substitute":
                loaded.append(self.substitute(rng, failures))
        if not loaded and self.training:
            loaded.append(self.substitute(sample_rng(self.seed, epoch, indices[0]), failures))
        if not loaded:
            return None, failures
        batch = collate(loaded)
        if self.mix is not None:
            batch = mixed(batch, self.mix, loaded[0][1].layout, mix_rng(self.seed, epoch, indices[0]))
        return batch, failures

    def load(self, index: int, rng: np.random.Generator, failures: list[Failure]) -> Clip | None:
        """One prepared clip; None, with a note in `failures`, when it cannot be read and that is allowed."""
        clip = self.dataset.clip(index)
        try:
            return self.pipeline(clip, rng)
        except Unreadable as error:
            if self.dataset.on_error == "raise":
                where = f"{self.dataset.file_path}:{self.dataset.records[index].line}"
                advice = "mend or remove it, or set on_error: skip for this split to go on without such videos"
                raise UserError(f"{error} (listed in {where}; {advice})") from error
            failures.append(Failure(error.path, error.reason))
            return None

    def substitute(self, rng: np.random.Generator, failures: list[Failure]) -> tuple[int, Clip]:
        """Another sample, drawn by the generator of the one it replaces."""
        for _ in range(SUBSTITUTE_TRIES):
            index = int(rng.integers(len(self.dataset)))
            clip = self.load(index, rng, failures)
            if clip is not None:
                return index, clip
        last = failures[-1]
        raise UserError(
            f"{self.dataset.file_path}: {SUBSTITUTE_TRIES} videos drawn at random are all unreadable; the last was "
            f"{last.path}: {last.reason}"
        )


def collate(loaded: list[tuple[int, Clip]]) -> Batch:
    """{imgs: [B, ...], label: [B] int64, index: [B] int64, files: B paths}. Raises UserError when shapes differ."""
    arrays = [clip.array() for _, clip in loaded]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        odd = next(i for i, array in enumerate(arrays) if array.shape != arrays[0].shape)
        raise UserError(
            f"clips of one batch differ in shape: {loaded[0][1].path} {arrays[0].shape}, {loaded[odd][1].path} "
            f"{arrays[odd].shape}; end the pipeline with a crop to a fixed size, or set batch_size: 1"
        )
    return {
        "imgs": np.stack(arrays),
        "label": np.array([clip.label for _, clip in loaded], dtype=np.int64),
        "index": np.array([index for index, _ in loaded], dtype=np.int64),
        "files": [clip.path for _, clip in loaded],
    }


def mixed(batch: Batch, mix: Mix, layout: str, rng: np.random.Generator) -> Batch:
    """A collated batch with its frames mixed, and label_b [B] int64 (of each clip's partner) and lam [] float32."""
    imgs, partners, lam = mix(batch["imgs"], layout, rng)
    return {**batch, "imgs": imgs, "label_b": batch["label"][partners], "lam": np.array(lam)}
