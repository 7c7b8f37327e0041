"""A distillation from config to program: training, files, resuming, testing, and what the other commands say of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import yaml
from ranks import main
from tiny import TINY

from paddlevideo.modeling import weights
from paddlevideo.modeling.students import student_arrays
from paddlevideo.tasks import export, flops, likely, models, run, schema, summary, train
from paddlevideo.tasks import test as testing
from paddlevideo.tasks.benchmark import train as loops
from paddlevideo.tasks.benchmark.rehearsal import Rehearsal, script
from paddlevideo.tasks.doctor import config_checks
from paddlevideo.tasks.plan import advice
from paddlevideo.tasks.start import TrainOptions
from paddlevideo.utils import log
from paddlevideo.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
TEACHER_FILE = "MODEL.models.0.Teacher.weights"


def network(channels: int, classes: int = 8) -> dict[str, Any]:
    backbone = {"name": "ConvNet", "channels": [8, channels], "num_seg": 4, "shift_ratio": 0.25}
    head = {"name": "TSMHead", "num_classes": classes, "in_channels": channels, "drop_ratio": 0.5, "std": 0.01}
    return {"backbone": backbone, "head": head}


def kl(weight: float = 1.0) -> dict[str, Any]:
    return {"name": "DistillationKLLoss", "model_name_pairs": ["Student", "Teacher"], "loss_weight": weight}


CE = {"name": "DistillationCELoss", "model_name_pairs": ["Student", "GroundTruth"]}
HINT = {"name": "DistillationHintLoss", "model_name_pairs": ["Student", "Teacher"]}


@pytest.fixture(scope="module")
def teacher(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained teacher's checkpoint."""
    folder = tmp_path_factory.mktemp("teacher")
    config = folder / "teacher.yaml"
    content = yaml.safe_load(TINY.format(data=data, output=folder / "output"))
    config.write_text(yaml.safe_dump({**content, "MODEL": {"framework": "Recognizer2D", **network(24)}}))
    train.train(schema.load(config), TrainOptions())
    return folder / "output/Tiny_epoch_00002.pdparams"


@pytest.fixture
def distill(data: Path, teacher: Path, tmp_path: Path) -> Path:
    """The tiny config, its model taught by the teacher."""
    models = [{"Teacher": {**network(24), "weights": str(teacher)}}, {"Student": network(16)}]
    model = {
        "framework": "RecognizerDistillation",
        "models": models,
        "loss": {"Train": [CE, kl(), HINT]},
        "freeze_params_list": ["Teacher"],
    }
    content = yaml.safe_load(TINY.format(data=data, output=tmp_path / "output"))
    path = tmp_path / "distill.yaml"
    path.write_text(yaml.safe_dump({**content, "MODEL": model}))
    return path


def go(config: Path, *overrides: str, **options: Any) -> Path:
    """Trains, and returns the last checkpoint."""
    resolved = schema.load(config, list(overrides))
    log.setup(resolved.root.output / "run.log")
    state = train.train(resolved, TrainOptions(**options))
    return resolved.root.output / f"Tiny_epoch_{state.epoch:05d}.pdparams"


def student_file(whole: Path) -> Path:
    """The student of a whole file in a file of its own."""
    path = whole.with_name("student.pdparams")
    paddle.save(student_arrays(weights.read_state(whole)), str(path))
    return path


# --- training ---------------------------------------------------------------------------------------------------------


def test_the_teacher_is_the_same_after_training_to_the_bit(distill: Path, teacher: Path) -> None:
    """With everything that touches a model: mixing, precise BN, accumulation, validation."""
    more = ["MIX={name: Mixup, alpha: 0.5}", "PRECISEBN={preciseBN_interval: 1, num_iters_preciseBN: 2}"]
    whole = weights.read_state(go(distill, *more, "GRADIENT_ACCUMULATION.global_batch_size=8", validate=True))
    before = weights.read_state(teacher)
    after = {name.removeprefix("Teacher."): value for name, value in whole.items() if name.startswith("Teacher.")}
    assert list(after) == list(before) and all(np.array_equal(after[name], before[name]) for name in before)
    assert {name.split(".")[0] for name in whole} == {"Teacher", "Student", "losses"}


def test_a_resumed_distillation_is_the_same_bit_for_bit(distill: Path, tmp_path: Path) -> None:
    whole = go(distill, f"output_dir={tmp_path / 'whole'}")
    parts = f"output_dir={tmp_path / 'parts'}"
    go(distill, parts, "epochs=1")
    # a resumed run has its teacher from the checkpoint
    again = go(distill, parts, f"{TEACHER_FILE}=null", resume="auto")
    a, b = weights.read_state(whole), weights.read_state(again)
    assert list(a) == list(b) and all(np.array_equal(a[name], b[name]) for name in a)


def divergence(whole: Path, distill: Path) -> float:
    """Mean KL(teacher || student) over the validation clips, without temperature."""
    net = run.build_model(schema.load(distill).root)
    weights.load_weights(net, whole)
    net.eval()
    loss = type(net.losses[1])(("Student", "Teacher"), temperature=1.0)
    with run.build_loader(schema.load(distill).root, "valid", 0) as loader, paddle.no_grad():
        batches = [{k: paddle.to_tensor(v) for k, v in batch.items() if k in IMAGES} for batch in loader.epoch(0)]
        return float(np.mean([loss(net(batch), net.models, batch).item() for batch in batches]))


IMAGES = ("imgs", "scale", "shift")


def test_a_student_comes_nearer_to_its_teacher(distill: Path, tmp_path: Path) -> None:
    base = [
        "epochs=8",
        "save_interval=8",
        "MODEL.loss.Train.2.loss_weight=0.0",
        "MODEL.models.1.Student.head.drop_ratio=0.0",
    ]
    alone = go(distill, *base, "MODEL.loss.Train.1.loss_weight=0.0", f"output_dir={tmp_path / 'alone'}")
    taught = go(distill, *base, "MODEL.loss.Train.1.loss_weight=10.0", f"output_dir={tmp_path / 'taught'}")
    assert divergence(taught, distill) < 0.5 * divergence(alone, distill)


def test_two_processes_give_the_figure_of_one(distill: Path, tmp_path: Path) -> None:
    options = ["epochs=1", "DATASET.batch_size=2", "MIX={name: Mixup}"]
    printed = main(2, tmp_path / "log", "--validate", "-c", str(distill), "-o", *options)
    whole = tmp_path / "output/Tiny_best.pdparams"
    (line,) = [line for line in printed.splitlines() if "val loss_avg" in line]
    alone = testing.test(schema.load(distill), str(whole)).figures
    assert f"top1_avg: {alone['top1']:.5f}" in line


# --- where it starts from ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            f"{TEACHER_FILE}=null",
            f"{TEACHER_FILE} is missing: a model that is frozen (freeze_params_list) needs the wei",
        ),
        (f"{TEACHER_FILE}=nowhere.pdparams", f"{TEACHER_FILE}: nowhere.pdparams: cannot be read (No such file"),
    ],
    ids=["none", "missing"],
)
def test_a_teacher_without_its_file_is_one_error_before_the_first_step(
    override: str, message: str, distill: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        go(distill, override)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)
    assert "train step" not in (tmp_path / "output/run.log").read_text()
    assert not list((tmp_path / "output").glob("*.pd*"))


def test_a_teacher_of_other_classes_names_the_place(distill: Path) -> None:
    fewer = [f"MODEL.models.{place}.head.num_classes=9" for place in ("0.Teacher", "1.Student")]
    with pytest.raises(UserError, match=r"-o MODEL\.models\.0\.Teacher\.head\.num_classes=8 makes the model for it$"):
        go(distill, *fewer, "DATASET.labels=null")


def test_fine_tuning_from_a_whole_file_or_a_students(distill: Path, teacher: Path, tmp_path: Path) -> None:
    whole = go(distill, "epochs=1", f"output_dir={tmp_path / 'first'}")
    logged = tmp_path / "output/run.log"
    go(distill, "epochs=1", f"{TEACHER_FILE}=null", weights=str(whole))
    assert f"loaded {len(weights.read_state(whole))} arrays from {whole}" in logged.read_text()
    student = student_file(whole)
    logged.unlink()
    go(distill, "epochs=1", weights=str(student))
    assert f"{student} is of a single model: it is loaded into the student" in logged.read_text()
    assert f"loaded 12 arrays from {teacher}" in logged.read_text()
    with pytest.raises(UserError, match=rf"^{TEACHER_FILE} is missing"):
        go(distill, f"{TEACHER_FILE}=null", weights=str(student))


def test_other_classes_keep_their_start_but_not_in_a_frozen_model(distill: Path, tmp_path: Path) -> None:
    whole = go(distill, "epochs=1", f"output_dir={tmp_path / 'first'}")
    nine = ["MODEL.models.1.Student.head.num_classes=9", "DATASET.labels=null"]
    nine += ["MODEL.loss.Train={name: DistillationCELoss, model_name_pairs: [Student, GroundTruth]}"]
    go(distill, *nine, "epochs=1", weights=str(student_file(whole)))
    assert "head.fc.weight keeps its initialisation" in (tmp_path / "output/run.log").read_text()
    with pytest.raises(UserError, match=r"Teacher\.head\.fc\.weight is \[24, 8\] in the file, \[24, 9\] in the model"):
        go(distill, "MODEL.models.0.Teacher.head.num_classes=9", *nine, weights=str(whole))


# --- afterwards -------------------------------------------------------------------------------------------------------


def test_either_file_tests_with_either_config(distill: Path, data: Path, tmp_path: Path) -> None:
    whole = go(distill, "epochs=1")
    ordinary = tmp_path / "ordinary.yaml"
    ordinary.write_text(TINY.format(data=data, output=tmp_path / "single"))
    found = [
        testing.test(schema.load(config), str(file)).scores
        for config in (distill, ordinary)
        for file in (whole, student_file(whole))
    ]
    assert all(np.array_equal(found[0], other) for other in found[1:])
    assert f"{whole} is of a distillation: its student was taken" in (tmp_path / "output/run.log").read_text()
    # the teacher's file is nowhere, and not missed
    missing = schema.load(distill, [f"{TEACHER_FILE}=nowhere.pdparams"])
    assert np.array_equal(testing.test(missing, str(whole)).scores, found[0])


def test_a_whole_file_is_a_pretrained_backbone_too(distill: Path, data: Path, tmp_path: Path) -> None:
    whole = go(distill, "epochs=1")
    net = run.build_model(schema.load(distill).root)
    lines = weights.load_pretrained(net.student.backbone, whole)
    own = student_arrays(weights.read_state(whole))
    state = {name: value.numpy() for name, value in net.student.backbone.state_dict().items()}
    assert all(np.array_equal(state[name], own[f"backbone.{name}"]) for name in state)
    assert f"{whole} is of a distillation: its student was taken" in lines


def test_the_students_program(distill: Path, tmp_path: Path) -> None:
    whole = go(distill, "epochs=1")
    expected = testing.test(schema.load(distill), str(whole))
    program = export.export(schema.load(distill), whole, tmp_path / "inference", form="auto")
    assert program.exists() and not list(program.parent.glob("*.tmp"))
    size = program.with_suffix(".pdiparams").stat().st_size
    assert size < 4 * sum(value.size for value in student_arrays(weights.read_state(whole)).values()) + 2000
    shutil.rmtree(program.parent)
    result = testing.test(schema.load(distill), str(whole), engine="inference")
    assert np.allclose(result.scores, expected.scores, rtol=1e-4, atol=1e-6)


def test_averaging_reaches_the_student(distill: Path) -> None:
    place = "MODEL.models.1.Student.runtime_cfg.test"
    assert testing.averaging(str(distill), [], "prob") == [f"{place}.avg_type=prob", f"{place}.num_seg=4"]


def test_figures_of_the_student_in_every_table(distill: Path, tiny: Path) -> None:
    alone, taught = (list(summary.summarize(schema.load(path).root, None, None, macs=True)) for path in (tiny, distill))
    assert alone == taught
    rows = [models.Catalogue().row(path) for path in (tiny, distill)]
    assert rows[0].parameters == rows[1].parameters == 1552 and rows[0].macs == rows[1].macs
    assert rows[1].model == "ConvNet" and rows[1].classes == 8
    shapes = [flops.state_shapes(run.tested_spec(schema.load(path).root).build) for path in (tiny, distill)]
    assert shapes[0] == shapes[1]


def test_an_error_about_a_whole_file_names_what_its_student_fits(distill: Path, tmp_path: Path, monkeypatch) -> None:
    whole = go(distill, "epochs=1")
    (tmp_path / "configs").mkdir()
    shutil.copy(distill, tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    assert likely.hint(whole, paddle.nn.Linear(1, 1)) == "; its arrays are those of configs/distill.yaml"
    with pytest.raises(
        UserError, match=r"-o MODEL\.models\.1\.Student\.head\.num_classes=8 makes the model for it; its config"
    ):
        testing.test(
            schema.load(distill, ["MODEL.models.1.Student.head.num_classes=9", "DATASET.labels=null"]), str(whole)
        )


def findings(config: Path, *overrides: str, weights: str | None = None) -> dict[str, str]:
    """Key -> level of what the doctor says about where weights come from."""
    resolved, _ = config_checks.resolve(str(config), list(overrides))
    assert resolved is not None
    found = config_checks.check(resolved.root, weights)[1]
    return {item.where: item.level for item in found if "weights" in item.where or "pretrained" in item.where}


def test_the_doctor_looks_at_every_models_file(distill: Path, tmp_path: Path) -> None:
    assert findings(distill) == {TEACHER_FILE: "ok"}
    assert findings(distill, f"{TEACHER_FILE}=nowhere.pdparams") == {TEACHER_FILE: "error"}
    assert findings(distill, f"{TEACHER_FILE}=null") == {TEACHER_FILE: "error"}
    whole = go(distill, "epochs=1")
    assert findings(distill, f"{TEACHER_FILE}=null", weights=str(whole)) == {"--weights": "ok"}
    resnet = ["MODEL.models.1.Student.backbone={name: ResNetTSM, depth: 18, num_seg: 4, pretrained: none.pdparams}"]
    found = findings(distill, *resnet, "MODEL.models.1.Student.head.in_channels=512")
    assert found == {TEACHER_FILE: "ok", "MODEL.models.1.Student.backbone.pretrained": "error"}


def test_what_is_measured_on_noise_needs_no_files(distill: Path, tmp_path: Path) -> None:
    resnet = ["MODEL.models.1.Student.backbone={name: ResNetTSM, depth: 18, num_seg: 4, pretrained: none.pdparams}"]
    missing = [f"{TEACHER_FILE}=nowhere.pdparams", *resnet, "MODEL.models.1.Student.head.in_channels=512"]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    play = script(str(distill), [*missing, "MODEL.loss.Train.2.loss_weight=0.0"], 2, 2, scratch)
    ours, bare = Rehearsal(play), loops.Bare(play)
    ours.round()
    loops.follow(bare, play)
    assert loops.same_weights(ours.trainer.net, bare.net)
    cfg = schema.load(distill, missing).root
    assert list(advice.missing_weights(cfg)) == [
        f"{TEACHER_FILE}: nowhere.pdparams is not there; training needs it, or =null",
        "MODEL.models.1.Student.backbone.pretrained: none.pdparams is not there; training needs it, or =null",
    ]
    large = schema.load(ROOT / "configs/recognition/distillation/pptimesformer_k400_videos_distill.yaml").root
    assert next(advice.savings(large)).startswith("-o MODEL.models.1.Student.backbone.recompute=True,")
