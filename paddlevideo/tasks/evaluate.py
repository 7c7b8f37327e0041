"""The one evaluation: validation while training, `--test`, and the exported program all go through here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import paddle
from tqdm import tqdm

from paddlevideo.loader.batch import Batch
from paddlevideo.loader.dataloader import ClipLoader
from paddlevideo.metrics.average_precision import multi_hot
from paddlevideo.metrics.topk import Metric
from paddlevideo.tasks.meter import Meter, Stopwatch
from paddlevideo.tasks.tensors import to_tensors
from paddlevideo.utils import dist
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import on_terminal

ScoreKind = Literal["logits", "probabilities"]
Scorer = Callable[[Batch], np.ndarray]


@dataclass(frozen=True)
class Evaluation:
    """Scores of every readable sample of a split, in data set order, and the figures made from them.

    Attributes:
        figures: {"loss": mean cross-entropy, "top1": 0..1, ...}, the rest from the metric.
        index: [N] positions in the data set.
        labels: [N] class ids; [N, K] bool where a sample has any number of them.
        scores: [N, K] view-averaged scores.
        total: samples in the data set, readable or not.
        cost: time and clips of this rank.
    """

    figures: dict[str, float]
    index: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    total: int
    cost: Meter


class Step(NamedTuple):
    """One batch of an evaluation: its number, how many there are, labels [B] or [B, K], scores [B, K], time so far."""

    number: int
    batches: int
    labels: np.ndarray
    scores: np.ndarray
    cost: Meter


def scorer(model: Any) -> Scorer:
    """Scores by a model in evaluation mode: a batch -> [N, K] float32."""

    def score(batch: Batch) -> np.ndarray:
        model.eval()
        with paddle.no_grad():
            return model.scores(model.inputs(to_tensors(batch))).astype("float32").numpy()

    return score


def evaluate(
    score: Scorer,
    loader: ClipLoader,
    metric: Metric,
    *,
    title: str,
    kind: ScoreKind = "logits",
    max_iters: int | None = None,
    say: Callable[[Step], None] | None = None,
) -> Evaluation:
    """Scores every sample of a loader once and computes the metric over all ranks.

    Each rank scores its own part, without padding; the parts are joined at the end. So the figure does not depend on
    the number of ranks, the batch size or a short last batch.

    Args:
        kind: what the scores are.
        title: what the progress bar says.
        max_iters: stop after so many batches (a trial run; the figures then cover those only).
        say: called after each batch, for plain progress lines.
    Raises:
        UserError: scores that are not finite numbers; a figure made from them would mean nothing.
    """
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    batches = len(loader) if max_iters is None else min(len(loader), max_iters)
    bar = tqdm(total=batches, desc=title, unit="batch", leave=False, disable=not on_terminal() or dist.rank() > 0)
    cost, watch = Meter(), Stopwatch()
    with bar:
        for number, batch in enumerate(loader.epoch(0), 1):
            reader = watch.lap()
            scores, labels = score(batch), batch["label"]
            if metric.multi_label:
                labels = multi_hot(labels, scores.shape[1])
            parts.append((batch["index"], labels, scores))
            cost.clips += len(labels)
            cost.add_time(reader + watch.lap(), reader)
            bar.update()
            if say is not None:
                say(Step(number, batches, labels, scores, cost))
            if number >= batches:
                break
    joined = [part for rank_parts in dist.gather_objects(parts) for part in rank_parts]
    index, labels, scores = _in_order(joined)
    broken = int((~np.isfinite(scores)).any(axis=1).sum())
    if broken:
        raise UserError(f"{title}: {broken} of {len(scores)} samples got scores that are not numbers: broken weights?")
    metric.update(scores, labels)
    figures = {"loss": cross_entropy(scores, labels, kind), **metric.result()}
    return Evaluation(figures, index, labels, scores, len(loader.dataset), cost)


def _in_order(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not parts:
        return np.zeros(0, "int64"), np.zeros(0, "int64"), np.zeros((0, 1), "float32")
    index, labels, scores = (np.concatenate(column) for column in zip(*parts))
    order = np.argsort(index, kind="stable")
    return index[order], labels[order], scores[order]


def cross_entropy(scores: np.ndarray, labels: np.ndarray, kind: ScoreKind) -> float:
    """Mean -log p of the labels, for scores [N, K] that are logits or probabilities. NaN where N is 0.

    With labels [N, K] bool it is the binary cross entropy, mean over the classes too.
    """
    if not len(labels):
        return float("nan")
    if labels.ndim == 2:
        values = scores.astype("float64")
        if kind == "probabilities":
            return float(-np.log(np.maximum(np.where(labels, values, 1 - values), 1e-12)).mean())
        return float(np.logaddexp(0, np.where(labels, -values, values)).mean())
    own = scores[np.arange(len(labels)), labels].astype("float64")
    if kind == "probabilities":
        return float(-np.log(np.maximum(own, 1e-12)).mean())
    top = scores.max(axis=1).astype("float64")
    return float((np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top - own).mean())
