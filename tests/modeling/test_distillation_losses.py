"""The losses of distillation against their formulas, in numpy and double precision."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddlevideo.modeling.backbones.convnet import ConvNet
from paddlevideo.modeling.framework.recognizer2d import Recognizer2D
from paddlevideo.modeling.heads.tsm_head import TSMHead
from paddlevideo.modeling.losses import (
    BinaryCrossEntropyLoss,
    DistillationCELoss,
    DistillationDMLLoss,
    DistillationHintLoss,
    DistillationKLLoss,
)

X = np.array([[2.0, 0.0, 1.0, -1.0], [0.0, 3.0, -4.0, 0.5], [-1.0, 2.0, 90.0, 0.0]])  # the student's logits
Y = np.array([[1.0, 0.5, 1.0, 0.0], [0.0, -3.0, 4.0, 0.5], [80.0, 0.0, -20.0, 1.0]])  # the teacher's
LABEL, OTHER, LAM = [0, 1, 3], [2, 0, 3], 0.3
PAIR = ("Student", "Teacher")


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def model(classes: int = 4, channels: int = 6, **head: object) -> Recognizer2D:
    return Recognizer2D(ConvNet([channels], num_seg=2, shift_ratio=0.0), TSMHead(classes, channels, **head))


def logits(values: np.ndarray) -> paddle.Tensor:
    return paddle.to_tensor(values.astype("float32"), stop_gradient=False)


def outputs(x: paddle.Tensor, y: paddle.Tensor) -> dict[str, dict[str, paddle.Tensor]]:
    return {"Student": {"logits": x}, "Teacher": {"logits": y}}


@pytest.fixture
def pair() -> dict[str, Recognizer2D]:
    return {"Student": model(), "Teacher": model(channels=3)}


# --- mutual learning --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("eps", [1e-12, 1e-3])
def test_dml_is_the_mean_of_both_divergences_with_eps_inside_the_logarithm(eps: float, pair: dict) -> None:
    p, q = softmax(X), softmax(Y)
    both = p * np.log((p + eps) / (q + eps)) + q * np.log((q + eps) / (p + eps))
    expected = (both * 4 / 2).mean()  # times the classes, mean over batch and classes
    loss = DistillationDMLLoss(PAIR, eps=eps)
    value = loss(outputs(logits(X), logits(Y)), pair, {})
    assert value.shape == [] and value.item() == pytest.approx(expected, rel=1e-5)
    turned = DistillationDMLLoss(PAIR[::-1], eps=eps)(outputs(logits(X), logits(Y)), pair, {})
    assert turned.item() == pytest.approx(value.item(), rel=1e-6)


def test_dml_teaches_both(pair: dict) -> None:
    x, y = logits(X[:2]), logits(Y[:2])
    DistillationDMLLoss(PAIR)(outputs(x, y), pair, {}).backward()
    p, q = softmax(X[:2]), softmax(Y[:2])

    def gradient(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """d/dlogits(a) of (sum (a - b) log(a / b)) / 2, mean over 2 videos."""
        by_a = np.log(a / b) + 1 - b / a
        return a * (by_a - (a * by_a).sum(axis=1, keepdims=True)) / 4

    np.testing.assert_allclose(x.grad.numpy(), gradient(p, q), atol=1e-5)
    np.testing.assert_allclose(y.grad.numpy(), gradient(q, p), atol=1e-5)


# --- a temperature ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [1.0, 4.0, 0.5])
def test_kl_is_that_of_the_softened_teacher_from_the_softened_student(t: float, pair: dict) -> None:
    p, log_q = softmax(Y / t), np.log(softmax(X / t))
    expected = t * t * (p * (np.log(p) - log_q)).sum(axis=1).mean()
    x, y = logits(X), logits(Y)
    value = DistillationKLLoss(PAIR, temperature=t)(outputs(x, y), pair, {})
    assert value.shape == [] and value.item() == pytest.approx(expected, rel=1e-5)
    value.backward()
    np.testing.assert_allclose(x.grad.numpy(), t * (softmax(X / t) - p) / 3, atol=1e-6)
    assert y.grad is None, "the teacher learns nothing"


def test_kl_of_equal_models_is_nothing(pair: dict) -> None:
    assert DistillationKLLoss(PAIR)(outputs(logits(X), logits(X)), pair, {}).item() == pytest.approx(0, abs=1e-6)


# --- the labels -------------------------------------------------------------------------------------------------------


MILD = X.clip(-9, 9)  # below -64 Paddle's cross entropy counts -64, on a CPU


def cross_entropy(labels: list[int], eps: float = 0.0) -> float:
    log_p = np.log(softmax(MILD))
    return float(-((1 - eps) * log_p[np.arange(3), labels] + eps * log_p.mean(axis=1)).mean())


def batch(mixed: bool) -> dict[str, paddle.Tensor]:
    one = {"label": paddle.to_tensor(LABEL)}
    return one | {"label_b": paddle.to_tensor(OTHER), "lam": paddle.to_tensor(LAM)} if mixed else one


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("eps", [0.0, 0.1])
def test_ce_is_the_loss_of_the_head(eps: float, mixed: bool) -> None:
    """Plain cross entropy by default, as in PaddleVideo; smoothed where the head says so."""
    models = {"Student": model(ls_eps=eps)}
    loss = DistillationCELoss(("Student", "GroundTruth"))
    loss.connect(models)
    value = loss({"Student": {"logits": logits(MILD)}}, models, batch(mixed))
    expected = cross_entropy(LABEL, eps)
    if mixed:
        expected = LAM * expected + (1 - LAM) * cross_entropy(OTHER, eps)
    assert value.item() == pytest.approx(expected, rel=1e-6)


# --- hints ------------------------------------------------------------------------------------------------------------


def features(rng: np.random.Generator, ours: int, theirs: int) -> dict[str, dict[str, paddle.Tensor]]:
    sizes = {"Student": ours, "Teacher": theirs}
    return {name: {"feature": logits(rng.normal(size=(5, size)))} for name, size in sizes.items()}


def test_hints_of_like_channels_are_compared_as_they_are() -> None:
    models = {"Student": model(), "Teacher": model()}
    loss = DistillationHintLoss(PAIR)
    loss.connect(models)
    given = features(np.random.default_rng(0), 6, 6)
    ours, theirs = (given[name]["feature"] for name in PAIR)
    given["Student"] |= loss.learned(given)
    value = loss(given, models, {})
    assert value.item() == pytest.approx(((ours.numpy() - theirs.numpy()) ** 2).mean(), rel=1e-6)
    value.backward()
    np.testing.assert_allclose(ours.grad.numpy(), 2 * (ours.numpy() - theirs.numpy()) / 30, rtol=1e-5, atol=1e-8)
    assert theirs.grad is None and not loss.state_dict()


def test_hints_of_other_channels_go_through_a_learned_layer(pair: dict) -> None:
    loss = DistillationHintLoss(PAIR)
    loss.connect(pair)
    assert {name: list(value.shape) for name, value in loss.state_dict().items()} == {
        "regressor.weight": [6, 3],
        "regressor.bias": [3],
    }
    given = features(np.random.default_rng(0), 6, 3)
    given["Student"] |= loss.learned(given)
    value = loss(given, pair, {})
    weight, bias = (item.numpy() for item in loss.regressor.parameters())
    led = given["Student"]["feature"].numpy() @ weight + bias
    assert value.item() == pytest.approx(((led - given["Teacher"]["feature"].numpy()) ** 2).mean(), rel=1e-5)
    value.backward()
    assert all(parameter.grad is not None for parameter in loss.parameters())
    assert given["Teacher"]["feature"].grad is None


# --- what cannot be ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            DistillationCELoss(("Student", "Teacher")),
            r"the pair of DistillationCELoss is \[a model, GroundTruth\], not",
        ),
        (DistillationCELoss(("Studnt", "GroundTruth")), "there is no model 'Studnt'; did you mean 'Student'"),
        (DistillationKLLoss(("Student", "GroundTruth")), "DistillationKLLoss compares two models, not a model and"),
        (DistillationDMLLoss(("Student", "Student")), "Student is compared with itself"),
        (DistillationHintLoss(("Student", "Nobody")), "there is no model 'Nobody'"),
    ],
)
def test_pairs_that_make_no_sense(loss: DistillationCELoss, message: str, pair: dict) -> None:
    with pytest.raises(ValueError, match=message):
        loss.connect(pair)


@pytest.mark.parametrize("kind", [DistillationKLLoss, DistillationDMLLoss])
def test_models_whose_scores_cannot_be_compared(kind: type, pair: dict) -> None:
    with pytest.raises(ValueError, match="Student has 4 classes, Teacher has 5"):
        kind(PAIR).connect({**pair, "Teacher": model(5)})
    several = model(loss_cfg=BinaryCrossEntropyLoss())
    with pytest.raises(ValueError, match=f"{kind.__name__} is between softmax probabilities, which models of several"):
        kind(PAIR).connect({**pair, "Teacher": several})


def test_values_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"loss_weight=-1\.0 is negative"):
        DistillationCELoss(("Student", "GroundTruth"), -1.0)
    with pytest.raises(ValueError, match="temperature=0 must be above 0"):
        DistillationKLLoss(PAIR, temperature=0)
    with pytest.raises(ValueError, match="eps=0 must be above 0"):
        DistillationDMLLoss(PAIR, eps=0)
