"""The README's commands exist, its file map is true, and its table repeats what the configs say."""

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from paddlevideo.cli import benchmark, classic, convert, export, predict, summary
from paddlevideo.cli.main import parser

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [line.split(" #")[0].strip() for block in BLOCKS for line in block.splitlines() if not line.startswith("#")]
SCRIPTS = {
    "main.py": classic,
    "tools/export_model.py": export,
    "tools/predict.py": predict,
    "tools/summary.py": summary,
    "tools/convert_weights.py": convert,
    "tools/benchmark.py": benchmark,
}


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 15


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_parse_and_name_files_that_exist(command: str) -> None:
    words = shlex.split(command)
    for word in words:
        if word.startswith(("configs/", "tools/")) or word in (
            "main.py",
            "data/make_lists.py",
            "data/demo/make_demo.py",
        ):
            assert (ROOT / word).exists(), word
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif words[0] == "paddlevideo":
        parser().parse_args(words[1:])
    elif script := next((word for word in words if word in SCRIPTS), None):
        plain = argparse.ArgumentParser(exit_on_error=False)
        SCRIPTS[script].add_arguments(plain)
        plain.parse_args(words[words.index(script) + 1 :])
    else:
        assert words[0] in ("source", "pip") or words[:2] in (
            ["python", "data/demo/make_demo.py"],
            ["python", "data/make_lists.py"],
        )


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A folder that looks like a clone with some videos in it, whose outputs do not land in this tree."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("main.py", "configs", "tools", "paddlevideo"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "data/demo").mkdir(parents=True)
    for name in ("data/make_lists.py", "data/demo/make_demo.py"):
        shutil.copy(ROOT / name, folder / name)
    for label, name in ((0, "waving"), (1, "pouring tea")):
        (folder / "my_videos" / name).mkdir(parents=True)
        for line in (data / "train.list").read_text().splitlines():
            path, number = line.rsplit(maxsplit=1)
            if int(number) == label:
                shutil.copy(data / path, folder / "my_videos" / name)
    return folder


@pytest.mark.parametrize("block", [1, 2, 3], ids=["the demo by hand", "lists", "own videos"])
def test_blocks_run_as_they_stand(block: int, clone: Path) -> None:
    """In order, in a shell, with N for the number of classes and two batches an epoch."""
    for line in BLOCKS[block].splitlines():
        if line.startswith("source"):
            continue
        command = line.replace("num_classes=N", "num_classes=2").replace("python ", f"{sys.executable} ", 1)
        if "--validate" in command:
            command += " --max_iters 2 -o epochs=1"
        done = subprocess.run(command, shell=True, cwd=clone, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    made = {1: "results.json", 2: "data/mine/train.list", 3: "inference/mine/TSM_small.manifest.json"}
    assert (clone / made[block]).exists()


def test_the_file_map_is_true() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", TEXT.split("## File map")[1], re.MULTILINE)
    named = {path.rstrip("/") for path, _ in rows}
    for path, what in rows:
        assert (ROOT / path).exists(), path
        if path == "paddlevideo/tasks/":
            described = set(re.findall(r"`(\w+\.py)`", what))
            assert described == {file.name for file in (ROOT / path).glob("*.py")} - {"__init__.py"}
    inside = {
        f"paddlevideo/{entry.name}" for entry in (ROOT / "paddlevideo").iterdir() if not entry.name.startswith("__")
    }
    assert inside <= named


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.parametrize("name", ["tsm_demo", "tsn_demo"])
def test_the_demo_figures_are_those_of_the_configs(name: str) -> None:
    (figure,) = re.findall(rf"{name}\.yaml` \|[^|]*\| ([^|]+ %) \|", TEXT)
    head = (ROOT / f"configs/recognition/demo/{name}.yaml").read_text().split("MODEL")[0]
    assert f"accuracy  {figure} top-1" in head
