"""What `paddlevideo plot` averages and leaves out, and what stands in its picture."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plot_rows import NAN, ROWS, ended, json_log, step

from paddlevideo.cli.main import parser
from paddlevideo.tasks.plot import figure, legend, panels, read_log
from paddlevideo.tasks.plot.curves import smoothed, thinned
from paddlevideo.tasks.plot.read_log import RunLog
from paddlevideo.tasks.plot.row import Row
from paddlevideo.utils.environment import python_environment
from paddlevideo.utils.errors import UserError

# --- curves -----------------------------------------------------------------------------------------------------------


def test_smoothing_is_the_mean_around_a_place() -> None:
    x, y = np.arange(6.0), np.array([0.0, 6.0, 3.0, NAN, 9.0, 1.0])
    at, means = smoothed(x, y, 2.0)
    assert at.tolist() == x.tolist() and means.tolist() == [3.0, 3.0, 4.5, 6.0, 5.0, 5.0]
    assert np.array_equal(smoothed(x, y, 0.0)[1], y, equal_nan=True)


def test_smoothing_leaves_a_gap_where_nothing_is_finite() -> None:
    _, means = smoothed(np.arange(5.0), np.array([1.0, NAN, np.inf, NAN, 2.0]), 2.0)
    assert np.array_equal(means, [1.0, 1.0, NAN, 2.0, 2.0], equal_nan=True)


def test_a_huge_value_spoils_its_surroundings_only() -> None:
    y = np.ones(100)
    y[10] = 1e300
    _, means = smoothed(np.arange(100.0), y, 4.0)
    assert (means[:8] == 1).all() and (means[13:] == 1).all() and means[12] == 1e300 / 5


def test_long_curves_are_smoothed_at_some_places() -> None:
    x = np.arange(100_001.0)
    at, means = smoothed(x, 2 * x, 10.0, points=11)
    assert at.tolist() == [10_000.0 * i for i in range(11)]
    assert means.tolist() == [5.0, *[20_000.0 * i for i in range(1, 10)], 199_995.0]


def test_thinning_keeps_the_outline() -> None:
    y = np.array([5, 1, 9, 2, 3, 4, 4, 4, 4, 4, 7, 0, NAN, NAN, 8.0])
    assert thinned(y, groups=3).tolist() == [0, 1, 2, 4, 5, 9, 10, 11, 12, 14]
    assert thinned(y, groups=4).tolist() == list(range(15))
    assert thinned(np.full(9, NAN), groups=2).tolist() == [0, 3, 4, 8]


@given(st.lists(st.floats(allow_nan=True), max_size=200), st.integers(1, 10))
def test_thinned_curves_have_the_same_ends_and_extremes(values: list[float], groups: int) -> None:
    y = np.array(values)
    some = thinned(y, groups)
    assert len(some) <= 5 * groups or len(some) == len(y)
    assert (np.diff(some) > 0).all()
    finite = y[np.isfinite(y)]
    if len(finite):
        assert finite.min() in y[some] and finite.max() in y[some]
    if len(y):
        assert {0, len(y) - 1} <= set(some.tolist())


# --- the picture ------------------------------------------------------------------------------------------------------


def run_of(rows: list[Row], name: str = "a run") -> RunLog:
    return RunLog(name, Path("a.log"), read_log.in_order(rows))


def training(epochs: int = 4, name: str = "a run", **more: float) -> RunLog:
    rows = []
    for epoch in range(1, epochs + 1):
        for done in (1, 6):
            rows.append(step(epoch, done, 5.0 - epoch, top1=0.1, lr=0.01, ips=80.0, data_wait=0.25))
        rows.append(ended("train", epoch, loss=4.0, top1=0.2, ips=80.0))
        rows.append(ended("val", epoch, loss=3.0, top1=0.2 * epoch, ips=99.0, **more))
    return run_of(rows, name)


def labels(picture: Any) -> list[str]:
    return [axes.get_ylabel() for axes in picture.axes]


def legend_texts(picture: Any) -> list[str]:
    return [text.get_text() for text in picture.legends[0].get_texts()]


def test_a_panel_for_each_figure_there_is() -> None:
    everything = {"top5", "loss", "ips", "lr", "top1", "data_wait", "grad_norm", "mAP", "hit1", "mean_class_accuracy"}
    assert [panel.label for panel in panels.panels(everything, set())] == [
        "loss",
        "top-1 accuracy (%)",
        "top-5 accuracy (%)",
        "hit@1 (%)",
        "mean average precision (%)",
        "mean class accuracy (%)",
        "learning rate",
        "rate (clips/s)",
        "waiting for data (%)",
    ]
    assert [panel.label for panel in panels.panels(set(), {"loss", "ips", "top10"})] == ["loss", "top-10 accuracy (%)"]


def test_one_run() -> None:
    picture = figure.draw([training()], "A title", 1.0)
    assert labels(picture) == ["loss", "top-1 accuracy (%)", "learning rate", "rate (clips/s)", "waiting for data (%)"]
    assert [axes.get_xlabel() for axes in picture.axes] == ["", "", "", "epochs", "epochs"]
    assert legend_texts(picture) == [
        "training, mean over 1 epoch (thin: as logged)",
        "training, mean over the epoch",
        "validation",
        "best: top-1 accuracy 80.0 % after 4 epochs",
    ]
    assert picture.legends[0].get_title().get_text() == "A title"
    accuracy = picture.axes[1].lines
    assert [list(line.get_ydata()) for line in accuracy] == [
        [10.0] * 8,
        [10.0] * 8,
        [20.0] * 4,
        pytest.approx([20.0, 40.0, 60.0, 80.0]),
        pytest.approx([80.0]),
    ]
    assert list(accuracy[0].get_xdata()) == pytest.approx([0.1, 0.6, 1.1, 1.6, 2.1, 2.6, 3.1, 3.6])
    assert list(accuracy[2].get_xdata()) == [0.5, 1.5, 2.5, 3.5] and list(accuracy[3].get_xdata()) == [1, 2, 3, 4]
    assert len({line.get_color() for line in accuracy}) == 2
    assert picture.axes[4].lines[0].get_ydata()[0] == 25.0 and len(picture.axes[3].lines) == 2


def test_several_runs_have_a_colour_each() -> None:
    runs = [training(4, "TSM"), training(2, "PP-TSM $x$", mean_class_accuracy=0.5), run_of([step(1, 1)], "_new")]
    picture = figure.draw(runs, "", 0.0)
    assert legend_texts(picture) == [
        "TSM: top-1 accuracy 80.0 % after 4 epochs",
        "PP-TSM $x$: top-1 accuracy 40.0 % after 2 epochs",
        "_new",
        "training",
        "training, mean over the epoch",
        "validation",
        "best validation",
    ]
    assert [{line.get_color() for line in axes.lines} for axes in picture.axes[:2]] == [
        {"#0072B2", "#D55E00", "#009E73"},
        {"#0072B2", "#D55E00"},
    ]
    assert picture.axes[0].get_xlim() == (0, pytest.approx(4.08))


def test_a_loss_that_stops_being_a_number_is_marked() -> None:
    rows = [step(1, done, 1.0 if done < 5 else NAN) for done in range(1, 9)]
    picture = figure.draw([run_of(rows)], "", 0.2)
    (cross,) = [line for line in picture.axes[0].lines if line.get_marker() == "x"]
    assert list(cross.get_xdata()) == [0.5]
    assert legend_texts(picture)[-1] == "first loss that is no finite number"
    assert run_of(rows).summary() == "a run: 0.8 epochs of a.log, the loss is no finite number in 4 of 8 lines"
    figure.draw([run_of([step(1, 1, NAN)])], "", 0.2)


def test_single_steps_far_off_do_not_flatten_the_rest() -> None:
    rows = [step(1, done, 1e9 if done == 50 else 1.0 + done / 1000, 200) for done in range(1, 201)]
    picture = figure.draw([run_of(rows)], "", 0.0)
    assert picture.axes[0].get_ylim()[1] > 1e9
    rows = [step(1, done, 9.0 if done == 50 else 1.0 + done / 1000, 200) for done in range(1, 201)]
    picture = figure.draw([run_of(rows)], "", 0.2)
    assert 1.2 < picture.axes[0].get_ylim()[1] < 1.5


def test_a_long_run_is_thinned_out() -> None:
    rows = [step(1, done, float(done * done % 1009), 100_000) for done in range(1, 100_001)]
    picture = figure.draw([run_of(rows)], "", 0.02)
    thin, bold = (len(line.get_xdata()) for line in picture.axes[0].lines)
    assert 3800 < thin <= 4000 and bold == 1000


@pytest.mark.parametrize(
    ("lengths", "room", "columns"),
    [([10, 10, 10], 54, 3), ([10, 10, 10], 53, 2), ([90, 9], 50, 1), ([40, 8, 8, 20], 76, 2)],
)
def test_the_legend_fits(lengths: list[int], room: float, columns: int) -> None:
    assert legend.fitting(lengths, room) == columns


def test_long_names_are_shortened() -> None:
    assert legend.shortened("x" * 60) == "x" * 60
    assert legend.shortened("a" * 50 + "b" * 50) == "a" * 29 + "…" + "b" * 29


@pytest.mark.parametrize("suffix", figure.SUFFIXES)
def test_pictures_are_written_and_repeat(suffix: str, tmp_path: Path) -> None:
    first = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    one, two = tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"
    for path in (one, two):
        figure.write(path, [training()], "t", 0.5)
    assert one.read_bytes().startswith(first) and one.read_bytes() == two.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {one.name, two.name}


def test_a_picture_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    out = tmp_path / "a.png"
    out.write_bytes(b"old")

    def failing(self: Figure, name: Path, **options: object) -> None:
        Path(name).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", failing)
    with pytest.raises(UserError, match=r"a\.png: cannot be written \(No space left on device\)"):
        figure.write(out, [training()], "", 0.5)
    assert out.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs `paddlevideo plot` in this process and gives what it says."""

    def run(*arguments: object) -> str:
        args = parser().parse_args(["plot", *map(str, arguments)])
        args.command.run(args)
        return capsys.readouterr().out

    return run


def test_the_picture_is_beside_the_log(tmp_path: Path, command: Callable[..., str]) -> None:
    log = json_log(tmp_path / "TSM" / "metrics.jsonl", ROWS)
    said = command(log.parent)
    assert said == (
        f"TSM: 1.5 epochs of {log}, the loss is no finite number in 1 of 4 lines, best val_ema top1 0.7500 after 1\n"
        f"written: {tmp_path / 'TSM' / 'curves.png'}\n"
    )
    assert (tmp_path / "TSM" / "curves.png").exists()
    (tmp_path / "TSM" / "curves.png").unlink()
    command(log)
    assert (tmp_path / "TSM" / "curves.png").exists()
    assert command(log, log, "--names", "a", "b", "-o", tmp_path / "new" / "x.svg").startswith("a: 1.5 epochs of ")
    text = (tmp_path / "new" / "x.svg").read_text()
    assert "<svg" in text


def test_mistakes(tmp_path: Path, command: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    log = json_log(tmp_path / "metrics.jsonl", ROWS)
    with pytest.raises(UserError, match=r"^-o a\.gif: the name must end in \.png, \.svg or \.pdf$"):
        command(log, "-o", "a.gif")
    with pytest.raises(UserError, match=r"^8 logs: more than 7 cannot be told apart"):
        command(*[log] * 8)
    for wrong in ("-1", "x", "nan", "inf"):
        with pytest.raises(SystemExit):
            command(log, f"--smooth={wrong}")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"^plot needs matplotlib: pip install 'paddlevideo\[plot\]'$"):
        command(log)


def test_neither_paddle_nor_pyplot_is_loaded(tmp_path: Path) -> None:
    log = json_log(tmp_path / "metrics.jsonl", ROWS)
    code = (
        "import sys; from paddlevideo.cli import main\n"
        f"args = main.parser().parse_args(['plot', {json.dumps(str(log))}])\n"
        "assert not args.command.NEEDS_PADDLE and not args.command.run(args)\n"
        "assert not {'paddle', 'matplotlib.pyplot', 'cv2', 'av'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=python_environment(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
