"""What does not fit together: one error that names both sides, before any work, and the config it likely belongs to."""

import json
import subprocess
import sys
from pathlib import Path

import paddle
import pytest

from paddlevideo.cli.main import parser
from paddlevideo.tasks import schema
from paddlevideo.utils import files
from paddlevideo.utils.environment import python_environment
from paddlevideo.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
DEMO = "configs/recognition/demo/tsm_demo.yaml"
RESNET = "MODEL.backbone={name: ResNetTSM, depth: 18, num_seg: 4}"
VIT = "MODEL.backbone={name: VisionTransformer, img_size: 16, embed_dim: 8, depth: 1, num_heads: 2, num_seg: 4}"
TRANSFORMER = [
    "MODEL.framework=RecognizerTransformer",
    VIT,
    "MODEL.head={name: TimeSformerHead, num_classes: 8, in_channels: 8}",
    *[f"PIPELINE.{split}.transform.2={{Image2Array: {{data_format: cthw}}}}" for split in ("train", "valid", "test")],
]


def run(*command: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, *map(str, command)]
    return subprocess.run(
        line, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT, env=python_environment()
    )


def checked(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What `paddlevideo check` says, which finds a fault."""
    args = parser().parse_args(["check", *map(str, arguments)])
    assert args.command.run(args) == 2
    return capsys.readouterr().err


def message(*arguments: object) -> str:
    """The error of another command."""
    args = parser().parse_args(list(map(str, arguments)))
    with pytest.raises(UserError) as caught:
        args.command.run(args)
    return str(caught.value)


@pytest.fixture
def saved(tiny: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A checkpoint of the tiny config with some changes."""
    path = tmp_path / "saved.pdparams"
    paddle.save(schema.load(tiny, list(request.param)).root.MODEL.build().state_dict(), str(path))
    return path


def test_a_depth_that_does_not_exist(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = checked(capsys, tiny, "-o", RESNET.replace("18", "51"))
    assert "MODEL.backbone.depth: expected one of 18, 34, 50, 101, 152, 200, got 51" in said


def test_a_depth_that_the_head_does_not_fit(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = checked(capsys, tiny, "-o", RESNET, "MODEL.head.in_channels=2048")
    assert f"{tiny}:" in said and "head.in_channels=2048, but ResNetTSM gives 512" in said


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_frames_that_do_not_divide(split: str, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = checked(capsys, tiny, "-o", f"PIPELINE.{split}.sample.num_seg=6")
    assert f"PIPELINE.{split} and MODEL do not fit: 6 frames" in said and "num_seg=4" in said


def test_frames_of_a_transformer(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(capsys, tiny, "-o", "epochs=0", *TRANSFORMER).count("\n") == 2, "the epochs alone, and the total"
    said = checked(capsys, tiny, "-o", "PIPELINE.test.sample.num_seg=6", *TRANSFORMER)
    assert "PIPELINE.test and MODEL do not fit" in said and "6 frames" in said and "4" in said


def test_patches_of_a_transformer(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = checked(capsys, tiny, "-o", *TRANSFORMER, "PIPELINE.test.transform.1={CenterCrop: {target_size: 15}}")
    assert "frames of 15x15 pixels do not divide into the model's patches of 16" in said
    said = checked(capsys, tiny, "-o", *TRANSFORMER, "MODEL.backbone.img_size=24")
    assert "img_size=[24, 24] is not [height, width] in multiples of patch_size=16" in said


def test_the_axes_of_another_model(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = checked(capsys, tiny, "-o", *TRANSFORMER[:3])
    assert "PIPELINE.train and MODEL do not fit" in said and "the model takes [N, 3, T, H, W]" in said


@pytest.mark.parametrize("saved", [["MODEL.head.num_classes=5"]], indirect=True, ids=["5 classes"])
def test_classes_that_differ(saved: Path, tiny: Path) -> None:
    """The commands as a user types them: both counts, exit code 2, one line."""
    done = run("main.py", "--test", "-c", tiny, "-w", saved)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {saved} does not fit the model")
    assert "with 5 classes" in done.stderr and "with 8 classes" in done.stderr
    assert "head.fc.weight is [16, 5] in the file, [16, 8] in the model" in done.stderr
    assert done.stderr.endswith("; -o MODEL.head.num_classes=5 makes the model for it\n")
    assert message("export", "-c", tiny, "-p", saved, "-o", saved.parent / "out") == done.stderr[len("error: ") : -1]
    assert not list((saved.parent / "out").glob("*"))


@pytest.mark.parametrize("saved", [[RESNET, "MODEL.head.in_channels=512"]], indirect=True, ids=["ResNet-18"])
def test_a_checkpoint_of_another_depth(saved: Path, tiny: Path) -> None:
    said = message("test", "-c", tiny, "-w", saved, "-o", RESNET.replace("18", "34"), "MODEL.head.in_channels=512")
    assert "looks like a ResNet-18" in said and "the model is a ResNet-34" in said


def test_a_checkpoint_of_another_model_names_its_config(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "demo.pdparams"
    paddle.save(schema.load(ROOT / DEMO).root.MODEL.build().state_dict(), str(path))
    done = run("tools/export_model.py", "-c", tiny, "-p", path, "-o", tmp_path / "out")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"{path} does not fit the model" in done.stderr and f"its arrays are those of {DEMO}" in done.stderr


@pytest.mark.parametrize("saved", [TRANSFORMER], indirect=True, ids=["transformer"])
def test_a_checkpoint_of_another_kind_of_model(saved: Path, tiny: Path) -> None:
    said = message("train", "-c", tiny, "-w", saved, "-o", RESNET, "MODEL.head.in_channels=512")
    assert "a transformer of 1 blocks" in said and "a ResNet-18" in said


@pytest.mark.parametrize("saved", [[]], indirect=True, ids=["tiny"])
def test_a_list_with_more_classes_than_the_model(saved: Path, tiny: Path) -> None:
    said = message("test", "-c", tiny, "-w", saved, "-o", "MODEL.head.num_classes=3")
    assert "valid.list" in said and "are outside 0..2 (num_classes: 3)" in said


def test_summary_of_frames_that_do_not_fit(tiny: Path) -> None:
    done = run("tools/summary.py", "-c", tiny, "--num_seg", 6)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the model does not take a video of shape [6, 3, 16, 16]: 6 frames")


def test_a_terminal_that_cannot_show_a_name_shows_its_code(tmp_path: Path) -> None:
    for name in ("straße/1.mp4", "straße/2.mp4", "weg/1.mp4", "weg/2.mp4"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).touch()
    command = [sys.executable, "-m", "paddlevideo.cli.main", "prepare", "split", tmp_path / "videos", "--out", tmp_path]
    env = {**python_environment(), "PYTHONIOENCODING": "ascii:strict"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "stra\\xdfe: 1 to train, 1 held out" in done.stdout


def test_names_of_files_that_are_no_text_are_written_as_json_reads_them(tmp_path: Path) -> None:
    name = "no utf-8 \udcff.mp4"
    files.write_text(tmp_path / "out.json", json.dumps([name], ensure_ascii=False))
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8")) == [name]
