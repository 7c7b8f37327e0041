"""One evaluation, whatever the batches, workers and processes."""

import math
import re
from pathlib import Path

import numpy as np
import paddle
import pytest
from ranks import main

from paddlevideo.modeling.weights import read_state
from paddlevideo.tasks import schema, train
from paddlevideo.tasks import test as testing
from paddlevideo.tasks.evaluate import cross_entropy
from paddlevideo.tasks.start import TrainOptions
from paddlevideo.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def weights(tiny: Path, tmp_path: Path) -> str:
    """A checkpoint of the tiny config after one epoch."""
    train.train(schema.load(tiny, ["epochs=1"]), TrainOptions())
    return str(tmp_path / "output/Tiny_epoch_00001.pdparams")


def test_batches_and_workers_change_nothing(tiny: Path, weights: str) -> None:
    results = [
        testing.test(schema.load(tiny, [f"DATASET.test_batch_size={size}", f"DATASET.num_workers={workers}"]), weights)
        for size, workers in [(1, 0), (3, 0), (4, 2), (10, 1), (64, 0)]
    ]
    for result in results:
        assert result.index.tolist() == list(range(10)) and result.total == 10
        assert result.figures["top1"] == results[0].figures["top1"]
        np.testing.assert_allclose(result.scores, results[0].scores, rtol=1e-4, atol=1e-5)


def test_the_loss_of_logits_and_of_probabilities_is_the_same() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(5, 4)), rng.integers(4, size=5)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.mean([math.log(row[label]) for row, label in zip(chances, labels)])
    assert cross_entropy(logits, labels, "logits") == pytest.approx(expected, rel=1e-6)
    assert cross_entropy(chances, labels, "probabilities") == pytest.approx(expected, rel=1e-6)


def test_unreadable_test_videos_leave_the_denominator_true(
    data: Path, tiny: Path, weights: str, tmp_path: Path
) -> None:
    whole = testing.test(schema.load(tiny), weights)
    lines = [f"{data}/{line}" for line in (data / "valid.list").read_text().splitlines()]
    (tmp_path / "empty.mp4").touch()
    listing = tmp_path / "test.list"
    listing.write_text("\n".join([f"{tmp_path}/empty.mp4 3", *lines[:4], f"{tmp_path}/missing.mp4 0", *lines[4:]]))
    overrides = [f"DATASET.test.file_path={listing}", "DATASET.test.data_prefix=null"]
    with pytest.raises(UserError, match=r"empty\.mp4"):
        testing.test(schema.load(tiny, overrides), weights)
    result = testing.test(schema.load(tiny, [*overrides, "DATASET.test.on_error=skip"]), weights)
    assert result.figures == pytest.approx(whole.figures)
    assert (len(result.index), result.total) == (10, 12)
    assert result.index.tolist() == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert len((tmp_path / "output/unreadable_test.txt").read_text().splitlines()) == 2


def test_scores_that_are_not_numbers_give_no_figure(tiny: Path, weights: str, tmp_path: Path) -> None:
    state = read_state(weights)
    state["head.fc.weight"][0, 0] = np.nan
    paddle.save(state, str(tmp_path / "bad.pdparams"))
    with pytest.raises(UserError, match="10 of 10 samples got scores that are not numbers"):
        testing.test(schema.load(tiny), str(tmp_path / "bad.pdparams"))


def test_substituting_in_a_test_is_refused(tiny: Path, weights: str) -> None:
    with pytest.raises(UserError, match="substitute is for training only"):
        testing.test(schema.load(tiny, ["DATASET.test.on_error=substitute"]), weights)


def test_two_processes_give_the_figure_of_one(tiny: Path, weights: str, tmp_path: Path) -> None:
    # 10 clips in batches of 3 on 2 processes: neither the ranks nor the last batches come out even.
    alone = testing.test(schema.load(tiny), weights)
    log = main(2, tmp_path / "logs", "--test", "-c", str(tiny), "-w", weights)
    assert f"[TEST] finished, avg_acc1={alone.figures['top1']}, avg_acc5={alone.figures['top5']}" in log
    assert "[TEST] on 10 of 10 samples" in log


def test_two_processes_train_validate_and_save_once(tiny: Path, tmp_path: Path) -> None:
    overrides = ["epochs=1", "DATASET.batch_size=2", "GRADIENT_ACCUMULATION.global_batch_size=8"]
    overrides.append("OPTIMIZER.base_batch_size=4")
    log = main(2, tmp_path / "logs", "--validate", "--scale-lr", "-c", str(tiny), "-o", *overrides)
    assert "learning rate scaled by 2: global batch 8, the recipe's is 4" in log
    assert "train: 22 clips, 5 batches of 2 on 2 process(es)" in log
    (found,) = re.findall(r"val loss_avg: \S+ top1_avg: (\S+)", log)
    file = tmp_path / "output/Tiny_best.pdparams"
    alone = testing.test(schema.load(tiny), str(file))
    assert float(found) == pytest.approx(alone.figures["top1"], abs=1e-5)
