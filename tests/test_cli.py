"""The public surface, and what a user's mistake looks like. Entry points run as processes of their own."""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from paddlevideo.cli import classic, launch
from paddlevideo.cli.main import COMMANDS, parser
from paddlevideo.utils.environment import python_environment
from paddlevideo.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
COMMON = {"--help", "-h", "--debug"}
CONFIG = {"-c", "--config", "-o", "--override"}
RUNNING = {"--seed", "--deterministic", "--max_iters", "--use_gpu", "--cpu_threads"}
TRAIN = {"--validate", "-w", "--weights", "--resume", "--amp", "--amp_level", "--amp_dtype", "--log_dir"}
TRAIN |= {"--scale-lr", "--fleet"}
TRAIN |= CONFIG | RUNNING
RESULTS = {"--engine", "--eval", "--out", "--average-clips"}
SURFACE = {
    "train": TRAIN,
    "test": {"-w", "--weights"} | RESULTS | CONFIG | RUNNING,
    "eval": {"--eval", "--per-class", "--confusion"},
    "repro": {"-n", "--steps", "-o", "--override", "--seed", "--deterministic", "--workers"}
    | {"--use_gpu", "--cpu_threads"},
    "plot": {"-o", "--out", "--title", "--names", "--smooth"},
    "export": {"-c", "--config", "--override", "-p", "--pretrained_params", "-o", "--output_path"}
    | {"--save_name", "--format", "--cpu_threads"},
    "predict": {"-i", "--input_file", "--time_test_file", "--model_file", "--params_file", "-b", "--batch_size"}
    | {"--num_workers", "--top_k", "--output", "--use_gpu", "--cpu_threads", "--use_xpu", "--use_npu", "--precision"}
    | {"--ir_optim", "--use_tensorrt", "--gpu_mem", "--enable_mkldnn", "--enable_benchmark", "--disable_glog"}
    | CONFIG,
    "check": {"-o", "--override", "-q", "--quiet"},
    "summary": {"--img_size", "--num_seg", "--FLOPs", "--groups"} | CONFIG,
    "models": {"--configs", "--json", "--write"},
    "doctor": {"-o", "--override", "-w", "--weights", "--frames", "--videos", "--workers", "--json"},
    "browse": {"-o", "--override", "--split", "--count", "--seed", "--epoch", "--class", "--unaugmented"}
    | {"--out", "--mp4"},
    "plan": {"-o", "--override", "--gpus", "--processes", "--memory", "--global_batch", "--steps", "--amp"}
    | {"--amp_level", "--json", "--use_gpu", "--cpu_threads"},
    "benchmark": set(),
    "prepare": set(),
    "average": {
        "-o",
        "--output",
        "--shares",
        "-c",
        "--config",
        "--override",
        "--batches",
        "--use_gpu",
        "--cpu_threads",
    },
    "convert": {"--to", "-o", "--override", "--labels-from", "--labels-to", "--report"},
}

LABELLED = {"--suffix", "--labels", "--multi_label", "--workers"}
BELOW = {  # the subcommands of subcommands
    "benchmark model": {"-o", "--override", "--configs_dir", "--batch", "--repeat", "--no_memory", "--json"}
    | {"--use_gpu", "--cpu_threads"},
    "benchmark data": {"-o", "--override", "--split", "--videos", "--clips", "--repeat", "--workers"}
    | {"--memory_clips", "--seed", "--json"},
    "benchmark train": {"-o", "--override", "--batch", "--steps", "--repeat", "--no_memory", "--json"}
    | {"--use_gpu", "--cpu_threads"},
    "prepare k400": {"--videos", "--frames", "--out", "--no_check", "--workers"},
    "prepare ucf101": {"--videos", "--frames", "--out", "--no_check", "--workers"},
    "prepare sthv1": {"--frames", "--out", "--no_check", "--workers", "--label_order"},
    "prepare sthv2": {"--videos", "--frames", "--out", "--no_check", "--workers"},
    "prepare split": {"--out", "--valid", "--test", "--seed", "--group", "--by_class", "--labels", "--content"},
    "prepare frames": {"--short_side", "--size", "--quality", "--fps", "--pattern", "--keep_suffix", "--list"}
    | LABELLED,
    "prepare transcode": {"--short_side", "--keyint", "--crf", "--preset", "--list"} | LABELLED,
    "prepare index": {"--out", "--data_prefix", "--no_hash"} | LABELLED,
}


def flags(of: argparse.ArgumentParser) -> set[str]:
    return {flag for action in of._actions for flag in action.option_strings}


def below(of: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return {
        name: choice
        for action in of._actions
        if isinstance(action, argparse._SubParsersAction)
        for name, choice in action.choices.items()
    }


@pytest.mark.parametrize("name", SURFACE)
def test_flags_are_pinned(name: str) -> None:
    assert flags(below(parser())[name]) == SURFACE[name] | COMMON


def test_flags_of_subcommands_are_pinned() -> None:
    found = {f"{name} {part}": flags(of) for name, top in below(parser()).items() for part, of in below(top).items()}
    assert found == {name: own | {"-h", "--help"} for name, own in BELOW.items()}


def test_every_command_is_pinned() -> None:
    assert set(COMMANDS) == set(SURFACE)


def test_main_has_the_flags_of_the_reference() -> None:
    plain = argparse.ArgumentParser()
    classic.add_arguments(plain)
    assert flags(plain) == TRAIN | RESULTS | {"--test", "-h", "--help"}
    assert plain.get_default("seed") == 1234


def run(*command: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, *map(str, command)]
    return subprocess.run(
        line, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT, env=python_environment()
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from paddlevideo.cli.main import parser; parser().format_help()\n"
        "heavy = {'paddle', 'numpy', 'cv2', 'av', 'yaml', 'PIL', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    assert run("-c", code).returncode == 0


@pytest.mark.parametrize(
    "script",
    ["main.py", *sorted(f"tools/{path.name}" for path in (ROOT / "tools").glob("*.py") if path.name != "demo.py")],
)
def test_scripts_show_help(script: str) -> None:
    done = run(script, "--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: ") and not done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_show_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parser().parse_args([name, "--help"])
    assert left.value.code == 0 and "paddlevideo" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "value"), [("True", True), ("t", True), ("1", True), ("FALSE", False), ("f", False), ("0", False)]
)
def test_booleans(text: str, value: bool) -> None:
    assert launch.boolean(text) is value


@pytest.mark.parametrize("text", ["maybe", "", "2"])
def test_what_is_not_a_boolean(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        launch.boolean(text)


def test_a_mistake_is_one_line_and_exit_code_2(tiny: Path) -> None:
    done = run("main.py", "-c", tiny, "-o", "DATASET.train.file_path=nowhere.list")
    assert done.returncode == 2
    assert done.stderr == "error: nowhere.list: the list of videos cannot be read: No such file or directory\n"
    shown = run("main.py", "-c", tiny, "--debug", "-o", "DATASET.train.file_path=nowhere.list")
    assert shown.returncode == 1 and "Traceback" in shown.stderr


def message(*arguments: object) -> str:
    """The error of a main.py command, run in this process."""
    plain = argparse.ArgumentParser()
    classic.add_arguments(plain)
    with pytest.raises(UserError) as caught:
        classic.run(plain.parse_args(list(map(str, arguments))))
    return str(caught.value)


def test_bad_configs(tiny: Path, edited: Callable[[str, str], Path], tmp_path: Path) -> None:
    assert message("-c", tmp_path / "none.yaml") == (
        f"{tmp_path / 'none.yaml'}: there is no such config file; check the path given with -c"
    )
    wrong = "MODEL.head.drop_ration=0.1"
    assert message("-c", tiny, "-o", wrong) == (
        f"-o {wrong}: MODEL.head.drop_ration: TSMHead takes no 'drop_ration'; did you mean 'drop_ratio'?"
    )
    edited("drop_ratio: 0.5", "drop_ratio: high")
    assert message("-c", tiny) == f"{tiny}:5: MODEL.head.drop_ratio: expected a number, got the text 'high'"


def test_a_bad_output_folder(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "output"
    assert message("-c", tiny, "-o", f"output_dir={folder}") == (
        f"{folder}: cannot be written (Not a directory); change output_dir"
    )


def test_a_bad_label_file_is_told_before_training(tiny: Path) -> None:
    assert "nowhere.txt: the label file (DATASET.labels) cannot be read" in message(
        "-c", tiny, "-o", "DATASET.labels=nowhere.txt"
    )


def test_bad_lists(data: Path, tiny: Path, tmp_path: Path) -> None:
    listing = tmp_path / "train.list"
    here = ["-c", tiny, "-o", f"DATASET.train.file_path={listing}"]
    listing.write_text("a b.mp4 1\njust-a-path.mp4\n")
    assert message(*here) == f"{listing}:2: 'just-a-path.mp4'; expected 'path label'"
    listing.write_text("a.mp4 1\nb.mp4 8\n")
    assert message(*here) == (
        f"{listing}:2: label 8\n1 of 2 labels are outside 0..7 (num_classes: 8); "
        "they seem to count from 1: set first_label: 1 beside file_path"
    )
    listing.write_text("missing.mp4 1\n")
    assert f"{data}/missing.mp4" in message(*here) and "on_error: skip" in message(*here)


def test_flags_of_a_test_need_one(tiny: Path) -> None:
    assert message("-c", tiny, "--out", "r.json") == "--eval, --out and --average-clips go with --test; add it"
    assert message("--test", "-c", tiny, "-w", "a.pdparams", "--out", "r.pkl") == (
        "--out r.pkl: the name must end in .json or .csv"
    )
    assert message("-c", tiny, "--scale-lr").startswith("--scale-lr: the config does not say how many clips a step")


def test_bad_checkpoints(tiny: Path, tmp_path: Path) -> None:
    wanted = "none.pdparams: cannot be read (No such file or directory)"
    assert message("--test", "-c", tiny, "-w", "none.pdparams") == wanted
    assert message("--test", "-c", tiny) == (
        "--test needs the checkpoint to evaluate: -w output/NAME/NAME_best.pdparams"
    )
    text = tmp_path / "text.pdparams"
    text.write_text("hello")
    assert str(text) in message("--test", "-c", tiny, "-w", text)


def test_a_checkpoint_of_another_model_lists_its_keys(tiny: Path, tmp_path: Path) -> None:
    assert run("main.py", "-c", tiny, "-o", "epochs=1").returncode == 0
    file = tmp_path / "output/Tiny_epoch_00001.pdparams"
    text = message("--test", "-c", tiny, "-w", file, "-o", "MODEL.backbone.channels=[8, 16, 16]")
    assert str(file) in text and "backbone.blocks.2.conv._conv.weight" in text


def test_a_gpu_that_is_not_there(tiny: Path) -> None:
    import paddle

    if paddle.is_compiled_with_cuda():
        pytest.skip("this Paddle has GPUs")
    assert message("-c", tiny, "--use_gpu=True").startswith("--use_gpu=True: this Paddle is built for the CPU")


def test_models_and_pipelines_must_fit(tiny: Path) -> None:
    assert "8 frames" not in message("-c", tiny, "-o", "PIPELINE.train.sample.num_seg=6")
    assert "PIPELINE.train and MODEL do not fit: 6 frames of a video are not a multiple" in message(
        "-c", tiny, "-o", "PIPELINE.train.sample.num_seg=6"
    )


def test_check_prints_the_resolved_config_or_every_fault(tiny: Path) -> None:
    good = run("-m", "paddlevideo", "check", tiny)
    assert good.returncode == 0 and "no fault" in good.stdout and "drop_ratio: 0.5" in good.stdout
    bad = run("-m", "paddlevideo", "check", tiny, "-o", "epochs=x", "MODEL.head.std=y")
    assert bad.returncode == 2 and not bad.stdout
    assert bad.stderr.splitlines() == [
        "-o MODEL.head.std=y: MODEL.head.std: expected a number, got the text 'y'",
        "-o epochs=x: epochs: expected an integer, got the text 'x'",
        "error: 1 of 1 configs have faults",
    ]


def test_summary_counts(tiny: Path) -> None:
    done = run("tools/summary.py", "-c", tiny, "--FLOPs")
    assert done.returncode == 0, done.stderr
    # conv 3x3x3x8 + BN 16, conv 3x3x8x16 + BN 32, fc 16x8 + 8
    parameters = 216 + 16 + 1152 + 32 + 136
    # 4 frames: 8x8 outputs of 27x8, 4x4 outputs of 72x16, two for each normalised output, then the fc
    adds = 4 * (64 * (216 + 2 * 8) + 16 * (1152 + 2 * 16)) + 4 * 128
    total = next(line for line in done.stdout.splitlines() if line.startswith("total"))
    assert total.replace(",", "").split() == ["total", str(parameters), str(adds)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_saves_and_leaves_nothing_running(number: int, code: int, tiny: Path, tmp_path: Path) -> None:
    options = ["epochs=500", "save_interval=500", "DATASET.num_workers=1"]
    command = [sys.executable, "main.py", "-c", str(tiny), "-o", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=python_environment(), start_new_session=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "epoch:[  2/500] train step:2" in line:
                break
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait(timeout=60) == code
    assert "saving after this step" in rest and "continue with the same command and --resume auto" in rest
    (saved,) = (tmp_path / "output").glob("Tiny_epoch_*_step_*.pdparams")
    done = run("main.py", "-c", tiny, "--resume", "auto", "-o", f"epochs={int(saved.name[11:16])}")
    assert done.returncode == 0 and f"Resume from checkpoint: {saved.with_suffix('')}" in done.stdout
    assert gone(process.pid), "a process of the run is still there"


def gone(group: int) -> bool:
    """Whether every process of a group ends within half a minute (init may take a moment to collect the last one)."""
    for _ in range(60):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.5)
    return False
