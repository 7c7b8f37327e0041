"""Models trained together: what is frozen stays so, the student alone is what is seen from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import paddle
import pytest
import yaml

from paddlevideo import config, yaml_tree
from paddlevideo.config import ConfigError, Spec
from paddlevideo.modeling.framework.distillation import RecognizerDistillation
from paddlevideo.modeling.students import student_arrays, student_of, student_spec, trained_state
from paddlevideo.modeling.weights import state_arrays
from paddlevideo.registry import RECOGNIZERS
from paddlevideo.tasks.precise_bn import measure, measured_layers
from paddlevideo.tasks.schema import IGNORED
from paddlevideo.utils.errors import UserError


@dataclass
class Root:
    MODEL: Annotated[Spec, RECOGNIZERS]


def cnn(channels: int, classes: int = 4, drop_ratio: float = 0.5, **more: Any) -> dict[str, Any]:
    backbone = {"name": "ConvNet", "channels": [channels], "num_seg": 2, "shift_ratio": 0.25}
    head = {"name": "TSMHead", "num_classes": classes, "in_channels": channels, "drop_ratio": drop_ratio, "std": 1.0}
    return {"backbone": backbone, "head": head, **more}


def vit(classes: int = 4) -> dict[str, Any]:
    sizes = {"img_size": 16, "embed_dim": 8, "depth": 1, "num_heads": 2, "num_seg": 2}
    head = {"name": "TimeSformerHead", "num_classes": classes, "in_channels": 8, "std": 1.0}
    return {"backbone": {"name": "VisionTransformer", **sizes}, "head": head}


CE = {"name": "DistillationCELoss", "model_name_pairs": ["Student", "GroundTruth"]}
CE_TEACHER = {"name": "DistillationCELoss", "model_name_pairs": ["Teacher", "GroundTruth"]}
DML = {"name": "DistillationDMLLoss", "model_name_pairs": ["Student", "Teacher"]}
KL = {"name": "DistillationKLLoss", "model_name_pairs": ["Student", "Teacher"], "temperature": 2.0}
HINT = {"name": "DistillationHintLoss", "model_name_pairs": ["Student", "Teacher"]}


def section(teacher: dict[str, Any], student: dict[str, Any], *losses: dict[str, Any], **more: Any) -> dict[str, Any]:
    """MODEL in PaddleVideo's form."""
    models = [{"Teacher": teacher}, {"Student": student}]
    return {"framework": "RecognizerDistillation", "models": models, "loss": {"Train": list(losses)}, **more}


def resolved(model: dict[str, Any]) -> config.Resolved[Root]:
    text = yaml.safe_dump({"MODEL": model}, sort_keys=False)
    return config.resolve(yaml_tree.parse(text, "x.yaml"), Root, IGNORED)


def build(model: dict[str, Any]) -> RecognizerDistillation:
    return resolved(model).root.MODEL.build()


def frozen(*losses: dict[str, Any]) -> RecognizerDistillation:
    return build(section(cnn(8), cnn(4), *(losses or (CE, KL)), freeze_params_list=["Teacher"]))


def clips(seed: int = 0, n: int = 3) -> dict[str, paddle.Tensor]:
    imgs = np.random.default_rng(seed).normal(size=(n, 2, 3, 16, 16)).astype("float32")
    return {"imgs": paddle.to_tensor(imgs), "label": paddle.to_tensor([0, 1, 3][:n])}


def mixed() -> dict[str, paddle.Tensor]:
    return clips() | {"label_b": paddle.to_tensor([3, 1, 0]), "lam": paddle.to_tensor(0.3)}


# --- the config -------------------------------------------------------------------------------------------------------


def test_the_form_of_paddlevideo() -> None:
    """Its shipped recipe: true or false for each model in freeze_params_list, losses for Train and Val."""
    model = section(cnn(8), cnn(4), CE, CE_TEACHER, DML, freeze_params_list=[False, False])
    model["loss"]["Val"] = [CE]
    found = resolved(model)
    assert list(found.notes) == ["MODEL.loss.Val"]
    net = found.root.MODEL.build()
    assert net.names == ["Teacher", "Student"] and net.frozen == []
    assert [type(loss).__name__ for loss in net.losses] == ["DistillationCELoss"] * 2 + ["DistillationDMLLoss"]
    assert [loss.loss_weight for loss in net.losses] == [1.0] * 3
    again = resolved(found.data["MODEL"])
    assert again.data == found.data and not again.notes


@pytest.mark.parametrize("freeze", [["Teacher"], [True, False]], ids=["by name", "by place"])
def test_both_forms_of_freezing(freeze: list) -> None:
    net = build(section(cnn(8), cnn(4), CE, KL, freeze_params_list=freeze))
    assert net.frozen == ["Teacher"]
    assert not [name for name, item in net.named_parameters() if name.startswith("Teacher") and not item.stop_gradient]


def test_names_of_the_arrays() -> None:
    names = set(frozen(CE, KL, HINT).state_dict())
    student = set(build(section(cnn(8), cnn(4), CE, KL, freeze_params_list=["Teacher"])).student.state_dict())
    assert {"backbone.blocks.0.conv._conv.weight", "head.fc.bias"} <= student
    regressor = {"losses.2.regressor.weight", "losses.2.regressor.bias"}
    assert names == {f"{name}.{own}" for name in ("Teacher", "Student") for own in student} | regressor


def test_two_networks_of_one_family_live_side_by_side() -> None:
    resnet = {"name": "ResNetTweaksTSM", "depth": 18, "num_seg": 2}
    model = {"backbone": resnet, "head": {"name": "ppTSMHead", "num_classes": 4, "in_channels": 512}}
    net = build(section(model, model, CE, KL, freeze_params_list=["Teacher"]))
    assert len(net.Teacher.state_dict()) == len(net.Student.state_dict()) == len(net.state_dict()) // 2


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no student": ({"models": [{"Teacher": cnn(4)}]}, "one must be Student; got Teacher"),
    "one name twice": ({"models": [{"Student": cnn(4)}, {"Student": cnn(4)}]}, "needs a name of its own"),
    "two in one": ({"models": [{"Student": cnn(4), "Teacher": cnn(4)}]}, "each item is one name and its model, not"),
    "a taken name": ({"models": [{"Student": cnn(4)}, {"losses": cnn(4)}]}, "a model cannot be called 'losses'"),
    "another taken name": ({"models": [{"Student": cnn(4)}, {"frozen": cnn(4)}]}, "a model cannot be called 'frozen'"),
    "a name of labels": ({"models": [{"Student": cnn(4)}, {"GroundTruth": cnn(4)}]}, "be called 'GroundTruth'"),
    "a name with a dot": ({"models": [{"Student": cnn(4)}, {"a.b": cnn(4)}]}, "a model cannot be called 'a.b'"),
    "frozen student": ({"freeze_params_list": ["Student"]}, "a frozen Student learns nothing"),
    "frozen nobody": ({"freeze_params_list": ["Techer"]}, "no model 'Techer'; the models are Teacher, Student"),
    "too few": ({"freeze_params_list": [True]}, "freeze_params_list has 1 values for 2 models"),
    "idle teacher": ({"freeze_params_list": None}, "no loss trains the scores of Teacher; add one, or freeze it"),
    "only hints": ({"loss": {"Train": [HINT]}}, "no loss trains the scores of Student"),
    "no loss": ({"loss": {"Train": []}}, "no loss trains the scores of Student"),
    "classes": ({"models": [{"Teacher": cnn(8, 5)}, {"Student": cnn(4)}]}, "loss.Train.1: Student has 4 classes, Teac"),
    "channels": ({"models": [{"Teacher": {**cnn(8), "head": cnn(4)["head"]}}, {"Student": cnn(4)}]}, "gives 8"),
    "framework": (
        {"models": [{"Teacher": cnn(8, framework="RecognizerTransformer")}, {"Student": cnn(4)}]},
        "MODEL.models.0.Teacher: RecognizerTransformer joins a VisionTransformer",
    ),
    "key": ({"models": [{"Teacher": cnn(8, wights="x")}, {"Student": cnn(4)}]}, "did you mean 'weights'?"),
    "loss name": ({"loss": {"Train": [{**KL, "name": "KLLoss"}]}}, "there is no distillation loss 'KLLoss'"),
    "triple": ({"loss": {"Train": [{**KL, "model_name_pairs": ["Student"] * 3}]}}, "expected 2 values, got 3"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults_of_a_config_name_their_line(case: str) -> None:
    change, message = FAULTS[case]
    with pytest.raises(ConfigError) as caught:
        build(section(cnn(8), cnn(4), CE, KL, freeze_params_list=["Teacher"]) | change)
    assert message in str(caught.value) and str(caught.value).startswith("x.yaml:")


# --- what is frozen ---------------------------------------------------------------------------------------------------


def train_everything(net: Any) -> None:
    """What paddle.DataParallel.train does: it does not ask the model."""
    for layer in net.sublayers(include_self=True):
        layer.training = True


@pytest.mark.parametrize("set_mode", [lambda net: net.train(), train_everything], ids=["train", "from outside"])
def test_a_frozen_model_does_not_change_by_a_bit(set_mode: Any) -> None:
    net = frozen(CE, KL, HINT)
    before = {name: value.copy() for name, value in state_arrays(net).items()}
    optimizer = paddle.optimizer.AdamW(0.1, parameters=[p for p in net.parameters() if not p.stop_gradient])
    for step in range(3):
        set_mode(net)
        batch = clips(step)
        net.loss(net(batch), batch).backward()
        optimizer.step()
        optimizer.clear_grad()
    after = state_arrays(net)
    changed = {name for name in after if not np.array_equal(before[name], after[name])}
    assert changed == {name for name in after if not name.startswith("Teacher.")}


def test_its_statistics_are_not_among_those_that_processes_average() -> None:
    """The mean of three equal numbers is not always that number."""
    net = frozen(CE, KL, HINT)
    assert {name.split(".")[0] for name in trained_state(net)} == {"Student", "losses"}
    assert set(trained_state(net.student)) == set(net.student.state_dict())


def test_a_frozen_model_has_no_dropout_and_the_others_have() -> None:
    net = frozen()
    net.train()
    first, second = net(clips()), net(clips())
    assert np.array_equal(first["Teacher"]["logits"].numpy(), second["Teacher"]["logits"].numpy())
    assert not np.array_equal(first["Student"]["logits"].numpy(), second["Student"]["logits"].numpy())
    assert first["Teacher"]["logits"].stop_gradient and not first["Student"]["logits"].stop_gradient
    teacher = net.Teacher
    teacher.eval()
    assert np.array_equal(first["Teacher"]["logits"].numpy(), teacher(clips()).numpy())


def test_precise_bn_leaves_it_alone() -> None:
    net = frozen()
    net.train()
    assert len(measured_layers(net)) == 1
    teacher, student = (state_arrays(part) for part in (net.Teacher, net.Student))
    assert measure(net, [clips(1), clips(2)]) == 2
    assert all(np.array_equal(value, teacher[name]) for name, value in state_arrays(net.Teacher).items())
    statistics = [name for name, value in state_arrays(net.Student).items() if not np.array_equal(value, student[name])]
    assert sorted(name.rsplit(".", 1)[1] for name in statistics) == ["_mean", "_variance"]


def test_nothing_is_kept_for_gradients_where_none_are_wanted() -> None:
    with paddle.no_grad():
        assert frozen()(clips())["Student"]["logits"].stop_gradient


def test_models_that_learn_from_each_other_both_change() -> None:
    net = build(section(cnn(8), cnn(4), CE, CE_TEACHER, DML))
    net.train()
    net.loss(net(mixed()), mixed()).backward()
    assert all(item.grad is not None for item in net.parameters() if not item.stop_gradient)
    assert len([item for item in net.parameters() if not item.stop_gradient]) == 10


# --- the loss and the figures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [clips(), mixed()], ids=["plain", "mixed"])
def test_the_loss_is_the_weighted_sum(batch: dict) -> None:
    student = cnn(4)
    student["head"]["ls_eps"] = 0.1
    losses = [{**CE, "loss_weight": 0.5}, {**KL, "loss_weight": 2.0}, {**HINT, "loss_weight": 3.0}]
    net = build(section(cnn(8), student, *losses, freeze_params_list=["Teacher"]))
    net.train()
    outputs = net(batch)
    ours, theirs = outputs["Student"], outputs["Teacher"]
    ce = net.student.loss(ours["logits"], batch).item()
    t = 2.0
    p, q = (paddle.nn.functional.softmax(one["logits"] / t).numpy().astype("float64") for one in (theirs, ours))
    kl = t * t * (p * np.log(p / q)).sum(axis=1).mean()
    hint = ((net.losses[2].regressor(ours["feature"]).numpy() - theirs["feature"].numpy()) ** 2).mean()
    assert net.loss(outputs, batch).item() == pytest.approx(0.5 * ce + 2.0 * kl + 3.0 * hint, rel=1e-5)


@pytest.mark.parametrize("batch", [clips(), mixed()], ids=["plain", "mixed"])
def test_figures_are_numbers_and_the_students(batch: dict) -> None:
    net = frozen()
    net.train()
    outputs = net(batch)
    figures = net.accuracy(outputs, batch)
    expected = net.student.accuracy(outputs["Student"]["logits"], batch)
    assert {name: value.item() for name, value in figures.items()} == {n: v.item() for n, v in expected.items()}
    assert set(figures) == {"top1", "top5"} and all(value.shape == [] for value in figures.values())
    assert net.logits(outputs) is outputs["Student"]["logits"] and student_of(net).logits(1) == 1


def test_the_feature_is_the_mean_of_the_backbones_output() -> None:
    net = frozen(CE, HINT)
    net.eval()
    with paddle.no_grad():
        outputs = net(clips())
        features = net.Teacher.backbone(clips()["imgs"].reshape([-1, 3, 16, 16])).numpy()  # [N*S, C, H, W]
    np.testing.assert_allclose(
        outputs["Teacher"]["feature"].numpy(), features.reshape([3, 2, 8, -1]).mean(axis=(1, 3)), rtol=1e-5, atol=1e-6
    )
    assert "feature" not in frozen()(clips())["Teacher"]


def test_evaluation_sees_the_student_alone() -> None:
    runtime = {"test": {"num_seg": 2, "avg_type": "prob"}}
    net = build(section(cnn(8), cnn(4, runtime_cfg=runtime), CE, KL, freeze_params_list=["Teacher"]))
    net.eval()
    assert (net.score_kind, net.multi_label, net.layout) == ("probabilities", False, "tchw")
    imgs = paddle.to_tensor(np.random.default_rng(0).normal(size=(2, 6, 3, 16, 16)).astype("float32"))
    with paddle.no_grad():
        assert np.array_equal(net.scores(imgs).numpy(), net.student.scores(imgs).numpy())
        assert np.array_equal(net.predict(imgs).numpy(), net.student.predict(imgs).numpy())
    raw = {"imgs": (imgs * 10).astype("uint8"), "scale": paddle.to_tensor(2.0), "shift": paddle.to_tensor(1.0)}
    assert np.array_equal(net.inputs(raw).numpy(), net.student.inputs(raw).numpy())


# --- models of different kinds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("student", ["cnn", "vit"])
def test_a_transformer_and_a_convolutional_network_teach_each_other(student: str) -> None:
    """Frames [N, T, 3, H, W] for the one, clips [N, 3, T, H, W] for the other; a batch has the student's order."""
    parts = {"cnn": cnn(6, drop_ratio=0.0), "vit": vit()}
    other = "vit" if student == "cnn" else "cnn"
    model = section(parts[other], parts[student], CE, CE_TEACHER, DML, HINT)
    net = build(model)
    net.eval()
    batch = clips()
    turned = {**batch, "imgs": batch["imgs"].transpose([0, 2, 1, 3, 4])}  # [N, 3, T, H, W]
    given = {"cnn": batch, "vit": turned}
    outputs = net(given[student])
    for name, kind in (("Teacher", other), ("Student", student)):
        alone = net.models[name](given[kind]).numpy()
        np.testing.assert_allclose(outputs[name]["logits"].numpy(), alone, rtol=1e-5, atol=1e-6)
    assert {name: list(one["feature"].shape) for name, one in outputs.items()} == {
        "Teacher": [3, 8 if other == "vit" else 6],
        "Student": [3, 8 if student == "vit" else 6],
    }
    net.loss(outputs, given[student]).backward()
    net.check_frames(given[student]["imgs"].shape)


def test_frames_that_do_not_fit_a_teacher_name_it() -> None:
    teacher = cnn(8)
    teacher["backbone"]["num_seg"] = 4
    net = build(section(teacher, cnn(4), CE, KL, freeze_params_list=["Teacher"]))
    net.check_frames([1, 4, 3, 16, 16])
    with pytest.raises(ValueError, match=r"^Teacher: 6 frames of a video are not a multiple of .* num_seg=4"):
        net.check_frames([1, 6, 3, 16, 16])
    with pytest.raises(ValueError, match=r"^3 frames of a video are not a multiple of the backbone's num_seg=2"):
        net.check_frames([1, 3, 3, 16, 16])


# --- the student by itself --------------------------------------------------------------------------------------------


def test_the_student_of_a_config_is_an_ordinary_model() -> None:
    weights = cnn(4, weights="x.pdparams")
    spec = student_spec(resolved(section(vit(), weights, CE, CE_TEACHER)).root.MODEL)
    ordinary = resolved({"framework": "Recognizer2D", **cnn(4)})
    assert spec.plain() == ordinary.data["MODEL"]
    assert (spec.path, spec.naming) == ("MODEL.models.1.Student", ("framework", "Recognizer2D"))
    assert type(spec.build()).__name__ == "Recognizer2D" and student_spec(ordinary.root.MODEL) is ordinary.root.MODEL
    transformer = student_spec(resolved(section(cnn(4), vit(), CE, CE_TEACHER)).root.MODEL)
    assert type(transformer.build()).__name__ == "RecognizerTransformer"


def test_a_config_without_a_student_says_so_before_it_is_built() -> None:
    model = section(cnn(8), cnn(4), CE)
    model["models"].pop()
    with pytest.raises(UserError, match=r"^x.yaml:2: MODEL: models: each needs a name of its own, and one must be Stu"):
        student_spec(resolved(model).root.MODEL)


def test_the_students_arrays() -> None:
    net = frozen()
    own = student_arrays(state_arrays(net))
    assert list(own) == list(net.student.state_dict())
    assert all(np.array_equal(own[name], value.numpy()) for name, value in net.student.state_dict().items())
    assert student_arrays(net.student.state_dict()) == {}
