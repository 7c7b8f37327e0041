"""What data/*/README.md and docs/prepare.md say: the commands exist, and lead to what the configs of each set read."""

import argparse
import importlib
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from synthetic import encode, numbered, write_frames

from paddlevideo.cli import classic, prepare
from paddlevideo.loader.dataset import FrameDataset, VideoDataset
from paddlevideo.tasks import schema

ROOT = Path(__file__).resolve().parents[2]
SETS = ["k400", "ucf101", "sthv1", "sthv2"]
PAGES = [ROOT / f"data/{name}/README.md" for name in SETS] + [ROOT / "data/README.md", ROOT / "docs/prepare.md"]


def commands(page: Path) -> list[list[str]]:
    blocks = re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]


def parsed(module: object, words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    module.add_arguments(parser)  # type: ignore[attr-defined]
    return parser.parse_args(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_commands_parse_and_name_files_that_exist(page: Path) -> None:
    found = commands(page)
    assert found
    for words in found:
        for word in words:
            assert not word.startswith("configs/") or (ROOT / word).is_file(), word
        if words[0] == "paddlevideo":
            parsed(importlib.import_module(f"paddlevideo.cli.{words[1]}"), words[2:])
        elif words[:2] == ["python", "main.py"]:
            parsed(classic, words[2:])
        else:
            assert words[0] in ("cat", "mv") or (words[0] == "python" and (ROOT / words[1]).is_file()), words


def k400(made: Path) -> None:
    rows = {"train": "abseiling,aaaaaaaaaaa,0,10", "val": "abseiling,bbbbbbbbbbb,0,10"}
    for name, row in rows.items():
        Path(f"data/k400/{name}.csv").write_text(f"label,youtube_id,time_start,time_end,split\n{row},{name}\n")
        place(made / "a.mp4", f"data/k400/videos/abseiling/{row[10:21]}_000000_000010.mp4")


def ucf101(made: Path) -> None:
    folder = Path("data/ucf101/ucfTrainTestlist")
    folder.mkdir()
    (folder / "classInd.txt").write_text("1 Archery\n")
    for n in (1, 2, 3):
        (folder / f"trainlist0{n}.txt").write_text("Archery/v_Archery_g08_c01.avi 1\n")
        (folder / f"testlist0{n}.txt").write_text("Archery/v_Archery_g01_c01.avi\n")
    for name in ("g08", "g01"):
        place(made / "a.avi", f"data/ucf101/videos/Archery/v_Archery_{name}_c01.avi")


def sthv1(made: Path) -> None:
    start = "data/sthv1/something-something-v1-"
    Path(f"{start}labels.csv").write_text("Holding something\n")
    for clip, name in enumerate(("train", "validation")):
        Path(f"{start}{name}.csv").write_text(f"{clip};Holding something\n")
        shutil.copytree(made / "frames", f"data/sthv1/rawframes/{clip}")


def sthv2(made: Path) -> None:
    start = "data/sthv2/something-something-v2-"
    Path(f"{start}labels.json").write_text('{"Holding something": "0"}')
    for clip, name in enumerate(("train", "validation")):
        Path(f"{start}{name}.json").write_text(json.dumps([{"id": f"{clip}", "template": "Holding [something]"}]))
        place(made / "a.webm", f"data/sthv2/videos/{clip}.webm")


def place(source: Path, target: str) -> None:
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


@pytest.mark.parametrize("build", [k400, ucf101, sthv1, sthv2], ids=lambda build: build.__name__)
def test_what_the_readme_says_makes_the_lists_of_the_configs(
    build: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The `prepare` lines of a README, as they stand, beside a small tree in the official format."""
    name = build.__name__
    made = tmp_path / "made"
    made.mkdir()
    for file in ("a.mp4", "a.avi", "a.webm"):
        encode(made / file, numbered(3), "libvpx-vp9" if file == "a.webm" else "libx264")
    write_frames(made / "frames", numbered(3), "{:05}.jpg")
    (tmp_path / "data" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    build(made)
    for words in commands(ROOT / f"data/{name}/README.md"):
        if words[:2] == ["paddlevideo", "prepare"]:
            args = parsed(prepare, [*words[2:], "--workers", "0"])
            args.prepare(args)
    configs = [path for path in (ROOT / "configs").rglob("*.yaml") if f"data/{name}/" in path.read_text()]
    checked = 0
    for path in configs:
        sections = schema.load(path).data["DATASET"]
        for split in ("train", "valid", "test"):
            given = {key: sections[split].get(key) for key in ("file_path", "data_prefix", "suffix")}
            if not str(given["file_path"]).startswith(f"data/{name}/"):
                continue
            is_frames = sections[split].get("format", sections[split].get("name")) == "FrameDataset"
            given["suffix"] = given["suffix"] if given["suffix"] is not None else (None if is_frames else "")
            data = (FrameDataset if is_frames else VideoDataset)(**given)
            assert len(data) == 1, path
            checked += 1
            clip = data.clip(0)
            assert Path(clip.path).is_dir() == is_frames and Path(clip.path).exists(), (path, clip.path)
            if is_frames:
                assert (
                    clip.num_frames == 3
                    and (Path(clip.path) / (given["suffix"] or "img_{:05}.jpg").format(3)).is_file()
                )
    assert checked >= 2
