"""The table of configs: its figures, its faults, and the page made from it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import paddle
import pytest

from paddlevideo.cli import models as command
from paddlevideo.tasks import likely, models, run, schema, zoo
from paddlevideo.utils.environment import python_environment
from paddlevideo.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))


@pytest.fixture(scope="module")
def rows() -> dict[str, models.Row]:
    """Rows of every config of the tree, by the end of its path."""
    catalogue = models.Catalogue()
    return {path.relative_to(ROOT / "configs/recognition").as_posix(): catalogue.row(path) for path in CONFIGS}


def paddlevideo(*arguments: object, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "paddlevideo", *map(str, arguments)]
    return subprocess.run(
        line, capture_output=True, text=True, timeout=300, check=False, cwd=folder, env=python_environment()
    )


def test_tsm(rows: dict[str, models.Row]) -> None:
    row = rows["tsm/tsm_k400_frames.yaml"]
    assert (row.model, row.parameters, row.frames, row.size) == ("ResNetTSM-50", 24_327_632, 8, (224, 224))
    assert (row.clips, row.crops, row.classes, row.data) == (1, 1, 400, "k400")
    assert (row.top1, row.reported_by) == ("71.06", "PaddleVideo")
    assert zoo.cells(row, "x") == [
        "x", "ResNetTSM-50", "24.33 M", "32.9", "8x224x224", "1x1", "400 (k400)", "71.06 (PaddleVideo)"
    ]  # fmt: skip


def test_views_are_taken_apart(rows: dict[str, models.Row]) -> None:
    tsn = rows["tsn/tsn_k400_frames.yaml"]
    assert (tsn.frames, tsn.clips, tsn.crops) == (25, 1, 10)
    ucf = rows["tsm/tsm_ucf101_frames_nhwc.yaml"]
    assert (ucf.frames, ucf.size, ucf.clips, ucf.crops) == (8, (224, 224), 1, 1)


def test_views_of_a_dense_test_with_crops(tiny: Path) -> None:
    """10 clips in time x 3 crops of 4 frames, 12 pixels high and wide; and another size of frame."""
    changes = ["PIPELINE.test.sample.dense_sample=true", "PIPELINE.test.sample.select_left=false"]
    changes += ["PIPELINE.test.transform.1={GroupFullResSample: {crop_size: 12}}"]
    view = models.Catalogue().view(schema.load(tiny, changes))
    assert view == models.View([4, 3, 12, 12], frames=4, clips=10, crops=3, size=(12, 12))


def test_a_view_costs_the_same_however_many_there_are(rows: dict[str, models.Row]) -> None:
    """25 frames of a ResNet-50, two for each of their normalised values, and one classification of their mean."""
    assert rows["tsn/tsn_k400_frames.yaml"].macs == 25 * (4_087_136_256 + 2 * 11_113_984) + 2048 * 400


def test_every_config_has_a_row(rows: dict[str, models.Row]) -> None:
    assert len(rows) == len(CONFIGS)
    assert all(row.parameters > 0 and row.macs > 0 and row.data != "-" for row in rows.values())


def test_the_page_is_up_to_date(rows: dict[str, models.Row]) -> None:
    """Written anew by: paddlevideo models --write docs/model_zoo.md"""
    from dataclasses import replace

    here = [replace(row, config=Path(row.config).relative_to(ROOT).as_posix()) for row in rows.values()]
    page = ROOT / "docs/model_zoo.md"
    assert page.read_text(encoding="utf-8") == zoo.page(here, "docs/model_zoo.md")
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).is_file()


@pytest.mark.parametrize(
    ("claim", "found"),
    [
        ("# accuracy  71.06 % top-1, reported by PaddleVideo (their weights: x.pdparams)", ("71.06", "PaddleVideo")),
        ("# accuracy  94.42 % top-1, 94.40 % with --amp, reported by PaddleVideo", ("94.42", "PaddleVideo")),
        ("# accuracy  98.8 to 100 % top-1 on 160 clips, measured by us", ("98.8 to 100", "us")),
        ("# accuracy  70.24 % top-1, reported by mmaction2.", ("70.24", "mmaction2")),
        ("# accuracy  70.24 % top-1, reported by mmaction2 0.x (1 crop)", ("70.24", "mmaction2 0.x")),
        (
            "# accuracy  44 % top-1 after a very long time,\n#           reported by SomeOne; 50 later",
            ("44", "SomeOne"),
        ),
        ("# accuracy  not reported for video files; 71.06 % top-1 on frames, reported by PaddleVideo", None),
        ("# accuracy  depends on the videos; 94.42 % top-1 was reported by PaddleVideo for others", None),
        ("# accuracy  50 % top-1\n# time      reported by nobody", None),
        ("MODEL:\n# accuracy  50 % top-1, reported by a comment further down", None),
    ],
)
def test_claims(claim: str, found: tuple[str, str] | None) -> None:
    assert models.accuracy(f"# A config.\n#\n{claim}\n# time      not measured yet\n\nMODEL:\n") == found


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    """Configs: one good, one with a wrong key, one whose frames do not fit its model."""
    below = tmp_path / "configs" / "own"
    below.mkdir(parents=True)
    text = tiny.read_text()
    (below / "good.yaml").write_text("# accuracy  50 % top-1, measured by us\n" + text)
    (below / "key.yaml").write_text(text.replace("drop_ratio", "drop_ration"))
    odd = text.replace("num_seg: 4, seg_len: 1, valid_mode: True", "num_seg: 6, seg_len: 1, valid_mode: True")
    (below / "odd.yaml").write_text(odd)
    return tmp_path


def test_a_fault_in_one_config_does_not_hide_the_others(folder: Path) -> None:
    done = paddlevideo("models", "--json", folder=folder)
    assert done.returncode == 2
    (row,) = json.loads(done.stdout)
    # per frame: conv 3x3x3x8 on 8x8 and 3x3x8x16 on 4x4 outputs, normalised; the classifier 16x8
    macs = 4 * (64 * (216 + 16) + 16 * (1152 + 32) + 128)
    assert row == {
        "config": "configs/own/good.yaml", "model": "ConvNet", "parameters": 1552, "macs": macs, "frames": 4,
        "clips": 1, "crops": 1, "size": [16, 16], "classes": 8, "data": row["data"], "top1": "50", "reported_by": "us",
    }  # fmt: skip
    key, odd, last = done.stderr.splitlines()
    assert key.startswith("configs/own/key.yaml:5: MODEL.head.drop_ration:")
    assert odd.startswith("configs/own/odd.yaml:") and "6 frames" in odd and "num_seg=4" in odd
    assert last == "error: 2 of 3 configs have faults"


def test_filter_table_and_page(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.chdir(folder)
    import argparse

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert command.run(parser.parse_args(["GOOD"])) == 0
    header, line = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["config", "model", "parameters"]
    assert line.split()[:5] == ["configs/own/good.yaml", "ConvNet", "0.00", "M", "0.000"]
    assert command.run(parser.parse_args(["good", "--write", "docs/page.md"])) == 0
    text = Path("docs/page.md").read_text()
    assert "## own" in text and "[good.yaml](../configs/own/good.yaml)" in text
    with pytest.raises(UserError, match="configs: no config whose path contains 'nonesuch'"):
        command.run(parser.parse_args(["nonesuch"]))


OTHER = paddle.nn.Linear(1, 1)  # a model that none of these files is for


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weight file of the demo's TSM, and beside it its backbone alone."""
    path = tmp_path_factory.mktemp("weights") / "demo.pdparams"
    model = schema.load(ROOT / "configs/recognition/demo/tsm_demo.yaml").root.MODEL.build()
    paddle.save(model.state_dict(), str(path))
    paddle.save(model.backbone.state_dict(), str(path.with_name("backbone.pdparams")))
    return path


def test_a_weight_file_is_recognised(checkpoint: Path, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    demo = "configs/recognition/demo"
    arrays = "; its arrays are those of "
    assert likely.hint(checkpoint, OTHER) == f"{arrays}{demo}/tsm_demo.yaml, {demo}/tsn_demo.yaml"
    three = f"{arrays}{demo}/tsm_demo.yaml, {demo}/tsm_small.yaml, {demo}/tsn_demo.yaml"
    assert likely.hint(checkpoint.with_name("backbone.pdparams"), OTHER) == three


def test_a_weight_file_of_another_model_names_its_config(checkpoint: Path, tiny: Path, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    model = schema.load(tiny).root.MODEL.build()
    with pytest.raises(UserError, match=r"does not fit the model.* its arrays are those of .*tsm_demo\.yaml"):
        run.load_weights(model, checkpoint)


def test_no_hint_without_configs_or_for_an_unknown_file(
    checkpoint: Path, tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    other = tmp_path / "tiny.pdparams"
    paddle.save(schema.load(tiny).root.MODEL.build().state_dict(), str(other))
    assert likely.hint(other, OTHER) == ""
    assert likely.hint(tmp_path / "none.pdparams", OTHER) == ""
    (tmp_path / "configs").mkdir()
    monkeypatch.chdir(tmp_path)
    assert likely.hint(checkpoint, OTHER) == ""
