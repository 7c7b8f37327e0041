"""The lines of a log, and what they say of waiting for data."""

import pytest

from paddlevideo.tasks.meter import Meter, advice, epoch_line, train_line


def cost(batch: float, reader: float, batches: int = 4) -> Meter:
    meter = Meter()
    for _ in range(batches):
        meter.add_time(batch, reader)
    meter.clips = 8 * batches
    return meter


def test_lines_end_with_the_share_of_time_spent_waiting() -> None:
    figures = {"loss": 1.5, "top1": 0.25}
    assert train_line(3, 10, 7, figures, 0.01, cost(2.0, 0.246), "0:01:00") == (
        "epoch:[  3/10 ] train step:7    loss: 1.50000 lr: 0.010000 top1: 0.25000 batch_cost: 2.00000 sec, "
        "reader_cost: 0.24600 sec, ips: 4.00000 instance/sec, eta: 0:01:00, data_wait: 12.3 %"
    )
    assert epoch_line(3, "train", figures, cost(2.0, 2.0)) == (
        "END epoch:3   train loss_avg: 1.50000 top1_avg: 0.25000 avg_batch_cost: 2.00000 sec, avg_reader_cost: 2.00000 "
        "sec, batch_cost_sum: 8.00000 sec, avg_ips: 4.00000 instance/sec. data_wait: 100.0 %"
    )


def test_no_batches_did_not_wait() -> None:
    assert Meter().waiting == 0.0


@pytest.mark.parametrize(
    ("reader", "workers", "expected"),
    [
        (0.19, 0, ""),
        (0.2, 0, "20 % of this epoch was spent waiting for data: raise DATASET.num_workers (0; this process may use 4"),
        (0.5, 3, "50 % of this epoch was spent waiting for data: raise DATASET.num_workers (3; this process may use 4"),
        (0.5, 4, "50 % of this epoch was spent waiting for data: all 4 cores decode already; smaller videos"),
        (0.5, 9, "50 % of this epoch was spent waiting for data: all 4 cores decode already; smaller videos"),
    ],
)
def test_advice_is_given_where_it_helps(reader: float, workers: int, expected: str) -> None:
    said = advice(cost(1.0, reader), workers, 4)
    assert said.startswith(expected) and bool(said) == bool(expected)
