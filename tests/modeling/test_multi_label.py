"""Models of videos with any number of labels: loss, figures and probabilities, by the formulas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import paddle
import pytest

from paddlevideo import config, yaml_tree
from paddlevideo.config import ConfigError, Spec
from paddlevideo.modeling.backbones.convnet import ConvNet
from paddlevideo.modeling.framework.recognizer2d import Recognizer2D
from paddlevideo.modeling.framework.runtime import RuntimeConfig, ViewConfig
from paddlevideo.modeling.heads.base import Head
from paddlevideo.modeling.heads.timesformer_head import PPTimeSformerHead
from paddlevideo.modeling.heads.tsm_head import TSMHead
from paddlevideo.modeling.losses import BinaryCrossEntropyLoss, CrossEntropyLoss
from paddlevideo.modeling.losses.binary_cross_entropy import multi_hot
from paddlevideo.registry import HEADS, RECOGNIZERS

LOGITS = np.array([[2.0, 0.0, 1.0, -1.0], [0.0, 30.0, -40.0, 0.5], [-1.0, 2.0, 3.0, 0.0]], "float32")
IDS = np.array([[0, 3], [1, -1], [-1, -1]])
HOT = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]], float)


def binary_cross_entropy(hot: np.ndarray, weights: list[float] | None = None) -> float:
    """By the formula: -(y log p + (1 - y) log(1 - p)), p = 1 / (1 + exp(-x)), 1 - p = 1 / (1 + exp(x)); mean of all."""
    x = LOGITS.astype("float64")
    each = hot * np.log1p(np.exp(-x)) + (1 - hot) * np.log1p(np.exp(x))
    return float((each * (weights or np.ones(4))).mean())


def recognizer(head: Head, runtime: RuntimeConfig | None = None) -> Recognizer2D:
    return Recognizer2D(ConvNet([6], num_seg=2, shift_ratio=0.0), head, runtime)


def test_ids_become_rows() -> None:
    assert multi_hot(paddle.to_tensor(IDS), 4).tolist() == HOT.tolist()
    assert multi_hot(paddle.to_tensor([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 0.0]])
def test_the_loss(weights: list[float] | None) -> None:
    loss = BinaryCrossEntropyLoss(weights)(paddle.to_tensor(LOGITS), paddle.to_tensor(IDS))
    assert loss.shape == [] and loss.item() == pytest.approx(binary_cross_entropy(HOT, weights), rel=1e-6)


def test_the_gradient() -> None:
    """Of a logit that is exactly 0 too, where Paddle's own function has the wrong sign."""
    logits = paddle.to_tensor(LOGITS, stop_gradient=False)
    BinaryCrossEntropyLoss()(logits, paddle.to_tensor(IDS)).backward()
    np.testing.assert_allclose(logits.grad.numpy(), (1 / (1 + np.exp(-LOGITS)) - HOT) / 12, atol=1e-7)


def test_a_mixed_batch_counts_for_the_labels_of_both() -> None:
    net = recognizer(TSMHead(4, 6, loss_cfg=BinaryCrossEntropyLoss()))
    other, lam = IDS[[2, 0, 1]], 0.3
    batch = {"label": paddle.to_tensor(IDS), "label_b": paddle.to_tensor(other), "lam": paddle.to_tensor(lam)}
    expected = lam * binary_cross_entropy(HOT) + (1 - lam) * binary_cross_entropy(HOT[[2, 0, 1]])
    assert net.loss(paddle.to_tensor(LOGITS), batch).item() == pytest.approx(expected, rel=1e-6)
    figures = net.accuracy(paddle.to_tensor(LOGITS), batch)
    assert {name: value.item() for name, value in figures.items()} == {"hit1": pytest.approx(0.3 * 2 / 3 + 0.7 * 0)}


@pytest.mark.parametrize("name", list(HEADS))
def test_every_head_takes_the_loss(name: str) -> None:
    head = HEADS.get(name)(num_classes=4, in_channels=6, loss_cfg=BinaryCrossEntropyLoss())
    assert head.multi_label and not HEADS.get(name)(num_classes=4, in_channels=6).multi_label
    logits, labels = paddle.to_tensor(LOGITS), paddle.to_tensor(IDS)
    assert head.loss(logits, labels).item() == pytest.approx(binary_cross_entropy(HOT), rel=1e-6)
    assert head.accuracy(logits, labels)["hit1"].item() == pytest.approx(2 / 3)
    np.testing.assert_allclose(head.probabilities(logits).numpy(), 1 / (1 + np.exp(-LOGITS)), rtol=1e-5)
    assert set(head.state_dict()) == {"fc.weight", "fc.bias"}, "the loss has nothing to save"


@pytest.mark.parametrize("avg_type", ["score", "prob"])
def test_views_are_averaged_before_or_after_the_sigmoid(avg_type: str) -> None:
    runtime = RuntimeConfig(ViewConfig(num_seg=2, avg_type=avg_type))  # type: ignore[arg-type]
    net = recognizer(TSMHead(4, 6, std=3.0, loss_cfg=BinaryCrossEntropyLoss()), runtime)
    net.eval()
    imgs = paddle.to_tensor(np.random.default_rng(0).normal(size=(2, 6, 3, 8, 8)).astype("float32"))
    with paddle.no_grad():
        views = [net.forward({"imgs": imgs[:, i : i + 2]}).numpy().astype("float64") for i in (0, 2, 4)]
        found = net.predict(imgs).numpy()
    mean = np.mean(views, axis=0) if avg_type == "score" else None
    expected = np.mean([1 / (1 + np.exp(-view)) for view in views], axis=0) if mean is None else 1 / (1 + np.exp(-mean))
    np.testing.assert_allclose(found, expected, rtol=2e-4)
    assert np.abs(found.sum(axis=1) - 1).max() > 0.1, "no softmax"


def test_what_does_not_go_together() -> None:
    with pytest.raises(ValueError, match=r"ls_eps=0\.1 is of the default loss; with loss_cfg, give what that"):
        PPTimeSformerHead(4, 6, ls_eps=0.1, loss_cfg=BinaryCrossEntropyLoss())
    with pytest.raises(ValueError, match="loss_cfg: 3 class_weights, but num_classes=4"):
        TSMHead(4, 6, loss_cfg=BinaryCrossEntropyLoss([1.0, 2.0, 3.0]))
    for weights in ([1.0, -1.0], [0.0, 0.0], []):
        with pytest.raises(ValueError, match="must not be negative, nor all 0"):
            BinaryCrossEntropyLoss(weights)
    assert not TSMHead(4, 6, loss_cfg=CrossEntropyLoss(ls_eps=0.1)).multi_label


@dataclass(frozen=True)
class _Root:
    MODEL: Annotated[Spec, RECOGNIZERS]


def test_the_loss_in_a_config() -> None:
    text = "{framework: Recognizer2D, backbone: {name: ConvNet, channels: [6], num_seg: 2, shift_ratio: 0}, head: %s}"
    head = "{name: TSNHead, num_classes: 4, in_channels: 6, loss_cfg: {name: %s}}"

    def build(loss: str) -> Recognizer2D:
        return config.resolve(yaml_tree.parse(f"MODEL: {text % (head % loss)}", "x.yaml"), _Root).root.MODEL.build()

    assert build("BinaryCrossEntropyLoss, class_weights: [1, 2, 3, 4]").head.criterion.class_weights == [1, 2, 3, 4]
    assert build("CrossEntropyLoss, ls_eps: 0.1").head.criterion.ls_eps == 0.1
    with pytest.raises(ConfigError, match=r"x.yaml:1: MODEL.head.loss_cfg: there is no loss 'BCELoss'; "):
        build("BCELoss")
    with pytest.raises(ConfigError, match=r"BinaryCrossEntropyLoss takes no 'ls_eps'"):
        build("BinaryCrossEntropyLoss, ls_eps: 0.1")
