"""What `paddlevideo plot` reads from logs of all kinds."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plot_rows import NAN, ROWS, ended, json_log, step

from paddlevideo.tasks.meter import Meter, epoch_line, train_line, valid_line
from paddlevideo.tasks.plot import json_lines, read_log, text_lines
from paddlevideo.tasks.plot.read_log import Best, RunLog
from paddlevideo.tasks.plot.row import Row
from paddlevideo.utils.errors import UserError


def places(rows: dict[str, list[Row]]) -> dict[str, list[tuple[int, int]]]:
    return {kind: [row.place for row in own] for kind, own in rows.items()}


# --- metrics.jsonl ----------------------------------------------------------------------------------------------------


def test_json_lines_are_read_back(tmp_path: Path) -> None:
    rows = list(json_lines.parse(json_log(tmp_path / "metrics.jsonl", ROWS).read_text()))
    assert str(rows) == str(ROWS)  # NaN is not equal to itself


@pytest.mark.parametrize(
    "line",
    [
        '{"kind": "step", "epoch": 1, "step": 1, "batches": 0}',
        '{"kind": "step", "epoch": 0, "step": 1, "batches": 5}',
        '{"kind": "step", "epoch": 1, "batches": 5}',
        '{"kind": "step", "epoch": 1.5, "step": 1, "batches": 5}',
        '{"kind": "step", "epoch": true, "step": 1, "batches": 5}',
        '{"kind": "best", "epoch": 1, "iteration": 5, "batches": 5}',
        '{"kind": 3, "epoch": 1, "iteration": 5, "batches": 5}',
        '{"kind": "step", "epoch": 1, "step": 1, "bat',
        '["step"]',
        "[" * 100_000,
        "",
    ],
)
def test_what_is_no_row(line: str) -> None:
    assert list(json_lines.parse(line)) == []


def test_values_are_numbers(tmp_path: Path) -> None:
    line = '{"kind": "val", "epoch": 2, "batches": 5, "time": "x", "a": true, "b": null, "c": 1e999, "d": 3, "e": [1]}'
    (row,) = json_lines.parse(line)
    assert row.place == (2, 5) and row.epochs_done == 2.0
    assert row.values.keys() == {"b", "c", "d"} and row.values["d"] == 3.0
    assert math.isnan(row.values["b"]) and math.isnan(row.values["c"])
    (row,) = json_lines.parse('{"kind": "val", "epoch": 1, "batches": 5, "loss": 1' + "0" * 400 + "}")
    assert math.isnan(row.values["loss"])


# --- logs for people --------------------------------------------------------------------------------------------------


def cost(batches: int, clips: int = 8, seconds: float = 2.0, reader: float = 0.5) -> Meter:
    meter = Meter()
    for _ in range(batches):
        meter.add_time(seconds, reader)
    meter.clips = clips * batches
    return meter


def text_log(epochs: int, batches: int, every: int, stop: int | None = None) -> list[str]:
    """Our lines: a step every so many batches, losses counting down; `stop`: batches of the last epoch, unfinished."""
    lines = ["Training in fp32 mode."]
    for epoch in range(1, epochs + 1):
        last = stop if stop is not None and epoch == epochs else batches
        for done in range(1, last + 1, every):
            figures = {"loss": 5 - epoch - done / 100, "top1": 0.5}
            lines.append(train_line(epoch, epochs, done - 1, figures, 0.01, cost(every), "1:02:03"))
        if last == batches:
            lines.append(epoch_line(epoch, "train", {"loss": 4.0 - epoch, "top1": 0.25}, cost(batches)))
            lines.append(valid_line(epoch, epochs, 0, {"loss": 9.0, "top1": 0.0}, cost(1)))
            lines.append(
                epoch_line(epoch, "val", {"loss": 5.0 - epoch, "top1": 0.125 * epoch}, cost(3)) + ", on 9 of 9"
            )
    return [f"[11/21 00:42:23] {line}" for line in lines]


def text_rows(lines: list[str]) -> list[Row]:
    return list(text_lines.parse("".join(f"{line}\n" for line in lines)))


def test_our_lines_are_read() -> None:
    rows = text_rows(text_log(2, 12, 5))
    assert [(row.kind, row.place, row.batches) for row in rows] == [
        (kind, (epoch, done), 12)
        for epoch in (1, 2)
        for kind, done in (("step", 1), ("step", 6), ("step", 11), ("train", 12), ("val", 12))
    ]
    assert rows[1].values == {
        "loss": 3.94,
        "lr": 0.01,
        "top1": 0.5,
        "batch_cost": 2.0,
        "reader_cost": 0.5,
        "ips": 4.0,
        "data_wait": 0.25,
    }
    assert rows[4].values["loss"] == 4.0 and rows[4].values["top1"] == 0.125 and rows[4].values["ips"] == 4.0


def coloured(text: str, number: int) -> str:
    return f"\x1b[{number}m{text}\x1b[0m"


def test_lines_of_paddlevideo_are_read() -> None:
    """avg_batch_cost there is that of the last batch; 5 batches of 4 clips took 4.8 s."""
    lines = [
        coloured("DATASET", 95) + " : ",
        f"[10/28 20:17:26] {coloured('epoch:[  8/80 ]', 95)} {coloured('train step:0   ', 35)} "
        f"{coloured('loss: 0.21596 lr: 0.001265 top1: 1.00000 top5: 0.75000', 92)} "
        f"{coloured('batch_cost: 1.25 sec,', 92)} {coloured('reader_cost: 0.75 sec,', 92)} "
        "ips: 3.20000 instance/sec, eta: 4 days, 10:43:02",
        f"[10/28 20:17:29] {coloured('END epoch:8  ', 91)} {coloured('train', 35)} "
        f"{coloured('loss_avg: 0.31210  top1_avg: 0.97798 top5_avg: 0.55000', 92)} "
        f"{coloured('avg_batch_cost: 1.30945 sec,', 92)} {coloured('avg_reader_cost: 1.14468 sec,', 92)} "
        f"{coloured('batch_cost_sum: 4.80000 sec,', 92)} avg_ips: 4.16667 instance/sec.",
    ]
    inside, after = text_rows(lines)
    assert (inside.kind, inside.place, inside.batches) == ("step", (8, 1), 5)
    assert (after.kind, after.place, after.batches) == ("train", (8, 5), 5)
    wanted = {"loss": 0.21596, "lr": 0.001265, "top1": 1.0, "top5": 0.75, "ips": 3.2, "data_wait": 0.6}
    assert {name: inside.values[name] for name in wanted} == wanted
    assert after.values["loss"] == 0.3121 and after.values["top5"] == 0.55


@pytest.mark.parametrize(
    ("batches", "every", "stop", "loader", "expected"),
    [
        (12, 5, None, "", 12),
        (12, 100, None, "", 12),
        (12, 5, 7, "train: 50 clips, 12 batches of 4 on 1 process(es)", 12),
        (12, 5, 7, "", 10),  # killed in the first epoch, and nobody says how long it is: as if it ended there
        (12, 5, 1, "", 1),
    ],
)
def test_the_length_of_an_epoch_is_inferred(
    batches: int, every: int, stop: int | None, loader: str, expected: int
) -> None:
    lines = [loader, *text_log(1, batches, every, stop)]
    assert {row.batches for row in text_rows(lines)} == {expected}


def test_an_epoch_that_a_resume_entered_in_the_middle_does_not_count() -> None:
    lines = text_log(2, 12, 5) + [epoch_line(3, "train", {"loss": 1.0}, cost(2))]
    assert {row.batches for row in text_rows(lines)} == {12}


def test_a_cut_last_line_is_left_out() -> None:
    whole = "".join(f"{line}\n" for line in text_log(1, 12, 5))
    expected = list(text_lines.parse(whole))
    line = text_log(2, 12, 5)[-5]
    for cut in range(1, len(line)):
        assert list(text_lines.parse(whole + line[:cut])) == expected


def test_a_loss_that_is_no_number() -> None:
    line = train_line(1, 2, 0, {"loss": NAN, "top1": math.inf}, 0.01, cost(1), "0:00:00")
    (row,) = text_rows([line])
    assert math.isnan(row.values["loss"]) and math.isnan(row.values["top1"]) and row.values["lr"] == 0.01


NUMBERS = st.floats(-1e6, 1e6).map(lambda x: round(x, 5))
NAMES = st.sampled_from(["top1", "top5", "hit1", "mean_average_precision", "mean_class_accuracy"])


@settings(deadline=None)
@given(
    st.integers(1, 999),
    st.integers(0, 99999),
    NUMBERS,
    st.dictionaries(NAMES, NUMBERS),
    st.floats(0, 1).map(lambda x: round(x, 6)),
)
def test_any_figures_are_read_back(epoch: int, done: int, loss: float, others: dict[str, float], lr: float) -> None:
    figures = {"loss": loss, **others}
    inside, after = text_rows(
        [train_line(epoch, 999, done, figures, lr, cost(1), "10:00:00"), epoch_line(epoch, "val_ema", figures, cost(1))]
    )
    assert inside.place == (epoch, done + 1) and after.kind == "val_ema"
    assert {name: inside.values[name] for name in figures} == pytest.approx(figures)
    assert {name: after.values[name] for name in figures} == pytest.approx(figures)
    assert inside.values["lr"] == lr and "eta" not in inside.values


@settings(deadline=None)
@given(st.text() | st.lists(st.sampled_from(text_log(2, 7, 3))).map("\n".join), st.integers(0, 400))
def test_no_text_is_too_odd(text: str, cut: int) -> None:
    """Rows keep their order, whatever was lost."""
    for parse in (text_lines.parse, json_lines.parse):
        for own in read_log.in_order(parse(text[:-cut] if cut else text)).values():
            assert all(a.place < b.place for a, b in pairwise(own))


# --- runs -------------------------------------------------------------------------------------------------------------


def test_a_resumed_run_counts_once() -> None:
    """Killed in epoch 2 after step 8, resumed from step 5 with other distances between lines."""
    before = [step(1, 5), ended("val", 1), step(2, 2), step(2, 5, 7.0), step(2, 8)]
    after = [step(2, 6), step(2, 9), ended("val", 2)]
    rows = read_log.in_order(before + after)
    assert places(rows) == {"step": [(1, 5), (2, 2), (2, 5), (2, 6), (2, 9)], "val": [(1, 10), (2, 10)]}
    rows = read_log.in_order([*before, step(2, 5, 3.0)])
    assert [row.values["loss"] for row in rows["step"]] == [1.0, 1.0, 3.0]


def test_a_run_that_goes_back_takes_its_validations_back() -> None:
    rows = [step(1, 5), ended("train", 1), ended("val", 1), step(2, 5), ended("train", 2), ended("val", 2), step(2, 3)]
    assert places(read_log.in_order(rows)) == {"step": [(1, 5), (2, 3)], "train": [(1, 10)], "val": [(1, 10)]}


def test_a_new_run_in_the_same_file_replaces_the_old_one() -> None:
    assert places(read_log.in_order([step(1, 1), step(1, 5), ended("val", 1), step(1, 1)])) == {"step": [(1, 1)]}
    rows = text_rows(text_log(3, 12, 5) + text_log(1, 20, 5))
    assert [row.place for row in rows] == [(1, 1), (1, 6), (1, 11), (1, 16), (1, 20), (1, 20)]


def test_of_two_validations_at_one_place_the_later_counts() -> None:
    rows = read_log.in_order([step(1, 5), ended("val", 1, top1=0.1), ended("val", 1, top1=0.2)])
    assert places(rows) == {"step": [(1, 5)], "val": [(1, 10)]} and rows["val"][0].values == {"top1": 0.2}


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        (
            [ended("val", 1, top1=0.5), ended("val", 2, top1=0.75), ended("val", 3, top1=0.75)],
            Best("top1", "val", 2, 0.75),
        ),
        ([ended("val", 1, top1=0.5), ended("val_ema", 1, top1=0.75)], Best("top1", "val_ema", 1, 0.75)),
        ([ended("val", 1, top1=NAN), ended("val", 2, top1=0.1)], Best("top1", "val", 2, 0.1)),
        ([ended("val", 1, loss=1.0), ended("val", 2, loss=0.5)], Best("loss", "val", 2, 0.5)),
        (
            [
                ended("val", 1, loss=1.0, mean_average_precision=0.1),
                ended("val", 2, loss=2.0, mean_average_precision=0.2),
            ],
            Best("mean_average_precision", "val", 2, 0.2),
        ),
        ([step(1, 1)], None),
    ],
)
def test_the_best_validation(rows: list[Row], best: Best | None) -> None:
    assert RunLog("a", Path(), read_log.in_order(rows)).best() == best


def test_where_a_run_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "TSM"
    folder.mkdir()
    (folder / "other.log").write_text("".join(f"{line}\n" for line in text_log(1, 7, 3)))
    assert (read_log.read(folder).name, read_log.log_in(folder).name) == ("other", "other.log")
    (folder / "TSM.log").write_text((folder / "other.log").read_text())
    assert (read_log.read(folder).name, read_log.log_in(folder).name) == ("TSM", "TSM.log")
    json_log(folder / "metrics.jsonl", ROWS)
    assert (read_log.read(folder).name, read_log.log_in(folder).name) == ("TSM", "metrics.jsonl")
    (tmp_path / ".log.txt").write_text((folder / "other.log").read_text())
    assert (read_log.read(tmp_path).name, read_log.log_in(tmp_path).name) == (tmp_path.name, ".log.txt")


def test_names(tmp_path: Path) -> None:
    one, two = (json_log(tmp_path / name / "TSM" / "metrics.jsonl", ROWS) for name in "ab")
    three = json_log(tmp_path / "c" / "metrics.jsonl", ROWS)
    assert [run.name for run in read_log.read_all([one, two, three], [])] == [str(one), str(two), "c"]
    assert [run.name for run in read_log.read_all([one, two], ["x", "y"])] == ["x", "y"]
    with pytest.raises(UserError, match="--names: 1 names for 2 logs"):
        read_log.read_all([one, two], ["x"])


BEGUN = '{"kind": "start"}\n{"kind": "step", "epoch": 1, "st'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.log", "", "a.log: empty; the run has not written anything yet"),
        ("a.log", "\0\0\n \n", "a.log: empty; the run has not written anything yet"),
        ("a.log", "hello\n", "a.log: no line of it is one of a training; give the folder of a run, its metrics.jsonl"),
        ("a.json", '{"a": 1}', "a.json: no line of it is one of a training"),
        ("metrics.jsonl", BEGUN, "metrics.jsonl: no step or epoch in it is finished yet; there is nothing to draw"),
        ("a.log", "[1/1 00:00:00] Training in fp32 mode.\n", "a.log: no step or epoch in it is finished yet"),
        ("a.log", text_log(1, 9, 3)[1], "a.log: no step or epoch in it is finished yet"),
        ("b/x", "", "b: neither metrics.jsonl nor a .log in it; give the folder of a run, or its log"),
    ],
)
def test_logs_that_cannot_be_drawn(name: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_log.read(path if path.parent == tmp_path else path.parent)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no\.log: cannot be read \(No such file or directory\)"):
        read_log.read(tmp_path / "no.log")
    for name in ("one.log", "two.log"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"one\.log, two\.log are in it; name one of them"):
        read_log.read(tmp_path)
