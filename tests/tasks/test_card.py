"""What a weight file says about itself, and working from the file alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest
from test_configs import CONFIGS
from test_train import run

from paddlevideo import config, yaml_tree
from paddlevideo.modeling import weights
from paddlevideo.tasks import card, schema
from paddlevideo.utils.environment import python_environment
from paddlevideo.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The best weights of a run, in a folder of their own; config, labels and all else are gone."""
    from tiny import TINY

    folder = tmp_path_factory.mktemp("run")
    labels = shutil.copy(data / "labels.txt", folder / "labels.txt")
    text = TINY.format(data=data, output=folder / "output").replace(f"{data}/labels.txt", str(labels))
    (folder / "tiny.yaml").write_text(text)
    run(folder / "tiny.yaml", "epochs=1", "num_seg=4", validate=True)
    file = tmp_path_factory.mktemp("alone") / "mine.pdparams"
    shutil.move(folder / "output/Tiny_best.pdparams", file)
    shutil.rmtree(folder)
    return file


def command(*arguments: object, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=python_environment(),
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_test_export_and_predict_work_from_the_file_alone(alone: Path, data: Path, tmp_path: Path) -> None:
    log = command("main.py", "--test", "-w", alone, "-o", f"output_dir={tmp_path}")
    assert "[TEST] on 10 of 10 samples" in log
    command("tools/export_model.py", "-p", alone, "-o", tmp_path / "inference")
    clips = sorted((data / "valid").glob("*.mp4"))[:3]
    answers = []
    for model in (alone, tmp_path / "inference"):
        for clip in clips:
            command(
                *("tools/predict.py", "--model_file", model, "-i", clip, "--top_k", 8, "--output", tmp_path / "x.json")
            )
            answers.append(json.loads((tmp_path / "x.json").read_text())[0]["topk"])
    for one, other in zip(answers[:3], answers[3:]):
        assert [row["label"] for row in one] == [row["label"] for row in other]
        np.testing.assert_allclose([r["score"] for r in one], [r["score"] for r in other], rtol=1e-4)
    names = [line.split(" ", 1)[1] for line in (data / "labels.txt").read_text().splitlines()]
    assert {row["label"] for row in answers[0]} == set(names), "the names, whose file is gone"


def test_what_is_on_the_card(alone: Path, data: Path) -> None:
    found = schema.read_card(alone)
    assert found["versions"]["paddle"] == paddle.__version__
    assert found["data"]["train"]["clips"] == 22 and found["data"]["train"]["file"] == f"{data}/train.list"
    assert len(found["data"]["valid"]["sha256"]) == 64
    assert found["state"] == {"epoch": 0, "step": 5}
    assert len(found["config"]["DATASET"]["labels"]) == 8
    assert weights.CARD not in weights.read_state(alone)


def test_paddle_reads_the_file_as_a_state_dict(alone: Path) -> None:
    """As PaddleVideo does: the card is a name that no layer has."""
    state = paddle.load(str(alone))
    model = schema.load(alone).root.MODEL.build()
    missing, unexpected = model.set_state_dict(state)
    assert not missing and unexpected == [weights.CARD]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_survives_being_written_down(path: Path) -> None:
    """A card holds the resolved config: read again it is the same, num_seg at the root included."""
    first = schema.load(path, ["num_seg=8"])
    tree = yaml_tree.parse(json.dumps(first.data), "card", lines=False)
    again = config.resolve(tree, schema.RootSection, schema.IGNORED, schema.SHARED)
    assert again.data == first.data and not again.replaced


def test_files_without_a_card(tmp_path: Path, tiny: Path) -> None:
    paddle.save({"a": np.ones(2)}, str(tmp_path / "a.pdparams"))
    with pytest.raises(UserError, match=r"a\.pdparams: does not say which config it was trained with"):
        schema.load(tmp_path / "a.pdparams")
    for text in ("not json", "[]", '{"config": 3}'):
        paddle.save({"a": np.ones(2), weights.CARD: text}, str(tmp_path / "b.pdparams"))
        with pytest.raises(UserError, match=r"b\.pdparams: what it says about itself .* -c"):
            schema.load(tmp_path / "b.pdparams")
    said = command("main.py", "--test", "-w", tmp_path / "a.pdparams", code=2)
    assert said.splitlines()[-1].startswith("error: ") and "give that with -c" in said
    assert "training needs a config: -c" in command("main.py", "--validate", code=2)


def test_differences_of_configs() -> None:
    before = {"a": 1, "b": {"c": [1, 2], "d": "x"}, "e": [1]}
    now = {"a": 1, "b": {"c": [1, 3], "d": "x"}, "e": [1, 2], "f": None, "g": 1}
    assert list(card.differences(before, now)) == [
        "b.c.1: 2 there, 3 here",
        "e: [1] there, [1, 2] here",
        "g: null there, 1 here",
    ]
    assert list(card.differences(before, before)) == []


def test_a_resume_says_what_is_another(tiny: Path, tmp_path: Path) -> None:
    run(tiny, "epochs=1")
    run(tiny, "OPTIMIZER.momentum=0.8", "log_interval=3", resume="auto")
    text = (tmp_path / "output/run.log").read_text()
    found = [line.partition("that of the checkpoint: ")[2] for line in text.splitlines() if "is another than" in line]
    assert found == [
        "OPTIMIZER.momentum: 0.9 there, 0.8 here",
        "epochs: 1 there, 2 here",
        "log_interval: 2 there, 3 here",
    ]


def test_weights_of_another_model_say_what_differs(alone: Path, tiny: Path) -> None:
    wide = ["MODEL.backbone.channels=[8, 24]", "MODEL.head.in_channels=24"]
    said = command("main.py", "--test", "-w", alone, "-c", tiny, "-o", *wide, code=2)
    assert "does not fit the model" in said
    assert "MODEL.backbone.channels.1: 16 there, 24 here; MODEL.head.in_channels: 16 there, 24 here" in said
