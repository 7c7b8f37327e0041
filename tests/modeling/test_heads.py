"""Heads, the loss and the recognizer around them."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddlevideo.modeling.backbones.convnet import ConvNet
from paddlevideo.modeling.backbones.resnet import ResNet
from paddlevideo.modeling.backbones.resnet_tsm import ResNetTSM
from paddlevideo.modeling.backbones.resnet_tweaks import ResNetTweaksTSM, ResNetTweaksTSN
from paddlevideo.modeling.framework.recognizer2d import Recognizer2D
from paddlevideo.modeling.heads.pptsm_head import PPTSMHead
from paddlevideo.modeling.heads.pptsn_head import PPTSNHead
from paddlevideo.modeling.heads.tsm_head import TSMHead
from paddlevideo.modeling.heads.tsn_head import TSNHead
from paddlevideo.modeling.losses.cross_entropy import CrossEntropyLoss

RNG = np.random.default_rng(2)
FEATURES = paddle.to_tensor(RNG.normal(size=(6, 4, 3, 5)).astype("float32"))  # 2 videos of 3 frames


@pytest.mark.parametrize("head_type", [TSNHead, TSMHead, PPTSNHead, PPTSMHead])
@pytest.mark.parametrize("data_format", ["NCHW", "NHWC"])
def test_evaluation_classifies_the_mean(head_type, data_format: str) -> None:
    head = head_type(7, 4, data_format=data_format).eval()
    head.fc.weight.set_value(RNG.normal(size=(4, 7)).astype("float32"))
    head.fc.bias.set_value(RNG.normal(size=7).astype("float32"))
    features = FEATURES if data_format == "NCHW" else FEATURES.transpose([0, 2, 3, 1])
    expected = FEATURES.numpy().mean((2, 3)).reshape(2, 3, 4).mean(1) @ head.fc.weight.numpy() + head.fc.bias.numpy()
    np.testing.assert_allclose(head(features, 3).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("head_type", "dropped", "classified"), [(TSNHead, 2, 2), (TSMHead, 6, 6), (PPTSNHead, 2, 2), (PPTSMHead, 6, 2)]
)
def test_where_dropout_and_classifier_stand(head_type, dropped: int, classified: int) -> None:
    """TSN drops features of the averaged frame, TSM those of every frame; PP-TSM averages after that, before the fc."""
    head = head_type(7, 4).train()
    seen = []
    head.dropout.register_forward_post_hook(lambda layer, inputs, output: seen.append(tuple(inputs[0].shape)))
    head.fc.register_forward_post_hook(lambda layer, inputs, output: seen.append(tuple(output.shape)))
    assert head(FEATURES, 3).shape == [2, 7]
    assert seen == [(dropped, 4), (classified, 7)]


@pytest.mark.parametrize(
    ("head", "rates", "decays"),
    [
        (TSNHead(7, 4), [1, 1], [None, None]),
        (TSMHead(7, 4), [5, 10], [1e-4, 0]),
        (TSMHead(7, 4, fc_decay=None), [5, 10], [None, 0]),
        (TSMHead(7, 4, fc_decay=5e-4), [5, 10], [5e-4, 0]),
        (PPTSMHead(7, 4), [5, 10], [1e-4, 0]),
        (PPTSNHead(7, 4), [5, 10], [1e-4, 0]),
        (PPTSNHead(7, 4, fclr5=False), [1, 1], [1e-4, 0]),
    ],
)
def test_multipliers_and_decay(head, rates: list, decays: list) -> None:
    parameters = (head.fc.weight, head.fc.bias)
    assert [parameter.optimize_attr["learning_rate"] for parameter in parameters] == rates
    assert [parameter.regularizer and parameter.regularizer._coeff for parameter in parameters] == decays


@pytest.mark.parametrize(
    ("head_type", "std", "drop"),
    [(TSNHead, 0.01, 0.4), (TSMHead, 0.001, 0.5), (PPTSNHead, 0.01, 0.4), (PPTSMHead, 0.01, 0.8)],
)
def test_initialisation(head_type, std: float, drop: float) -> None:
    head = head_type(400, 2048)
    assert float(head.fc.weight.std()) == pytest.approx(std, rel=0.01)
    assert abs(float(head.fc.weight.mean())) < std / 100
    assert not head.fc.bias.numpy().any()
    assert head.dropout.p == drop


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    return float(-(targets * (logits - np.log(np.exp(logits).sum(1, keepdims=True)))).sum(1).mean())


def test_label_smoothing_in_training_only() -> None:
    logits = RNG.normal(size=(3, 5)).astype("float32")
    one_hot = np.eye(5)[[4, 0, 2]]
    loss = CrossEntropyLoss(ls_eps=0.1)
    for training, targets in ((True, 0.9 * one_hot + 0.02), (False, one_hot)):
        loss.training = training
        got = loss(paddle.to_tensor(logits), paddle.to_tensor([4, 0, 2])).item()
        assert got == pytest.approx(cross_entropy(logits, targets), abs=1e-6)


def test_a_recognizer_smooths_in_training_only() -> None:
    model = Recognizer2D(ConvNet([8], shift_ratio=0), TSNHead(5, 8, ls_eps=0.5))
    logits = paddle.to_tensor([[9.0, 0, 0, 0, 0]])
    batch = {"label": paddle.to_tensor([0])}
    assert model.train().loss(logits, batch).item() > 3
    assert model.eval().loss(logits, batch).item() < 0.001


def test_accuracy_is_limited_to_the_classes_there_are() -> None:
    labels = paddle.to_tensor([0, 1])
    few = TSNHead(3, 4).accuracy(paddle.to_tensor([[3.0, 2, 1], [3.0, 2, 1]]), labels)
    assert (few["top1"].item(), few["top5"].item()) == (0.5, 1.0)
    many = TSNHead(8, 4).accuracy(-paddle.arange(16, dtype="float32").reshape([2, 8]), paddle.to_tensor([4, 5]))
    assert (many["top1"].item(), many["top5"].item()) == (0.0, 0.5)


def test_one_class_works() -> None:
    head = TSNHead(1, 4)
    logits = head(FEATURES, 3)
    assert head.loss(logits, paddle.to_tensor([0, 0])).item() == 0
    assert head.accuracy(logits, paddle.to_tensor([0, 0]))["top5"].item() == 1


def test_recognizer_averages_all_views_and_leaves_the_batch_alone() -> None:
    model = Recognizer2D(ConvNet([8], num_seg=2), TSMHead(5, 8, std=1.0)).eval()
    imgs = paddle.to_tensor(RNG.normal(size=(2, 6, 3, 9, 11)).astype("float32"))  # 3 views of 2 frames
    batch = {"imgs": imgs}
    logits = model(batch)
    views = paddle.stack([model.scores(imgs[:, i : i + 2]) for i in (0, 2, 4)]).mean(axis=0)
    np.testing.assert_allclose(logits.numpy(), views.numpy(), atol=1e-5)
    assert batch["imgs"].shape == [2, 6, 3, 9, 11]
    np.testing.assert_allclose(model.predict(imgs).numpy().sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(model.predict(imgs).numpy(), paddle.nn.functional.softmax(logits).numpy(), atol=1e-6)


def test_a_backbone_that_pools_over_time() -> None:
    backbone = ResNetTSM(18, 4, temporal_pool=True)
    model = Recognizer2D(backbone, TSMHead(5, 512, std=1.0)).eval()
    seen = []
    model.head.register_forward_pre_hook(lambda layer, inputs: seen.append((inputs[0].shape[0], inputs[1])))
    imgs = paddle.to_tensor(RNG.normal(size=(2, 8, 3, 32, 32)).astype("float32"))  # 2 views of 4 frames
    with paddle.no_grad():
        logits = model.scores(imgs)
        views = (model.scores(imgs[:, :4]) + model.scores(imgs[:, 4:])) / 2
    assert seen == [(8, 4), (4, 2), (4, 2)]
    np.testing.assert_allclose(logits.numpy(), views.numpy(), atol=1e-4)
    model.check_frames([1, 8, 3, 32, 32])
    with pytest.raises(ValueError, match=r"6 frames.*num_seg=4"):
        model.check_frames([1, 6, 3, 32, 32])


class Scores(paddle.nn.Layer):
    """What an exported program computes."""

    def __init__(self, model: Recognizer2D) -> None:
        super().__init__()
        self.model = model

    def forward(self, imgs: paddle.Tensor) -> paddle.Tensor:
        return self.model.scores(imgs)


EXPORTED = {
    "ConvNet": lambda: Recognizer2D(ConvNet([8, 8], num_seg=4), TSMHead(5, 8, std=1.0)),
    "PP-TSM": lambda: Recognizer2D(ResNetTweaksTSM(18, 4), PPTSMHead(5, 512, std=1.0)),
    "PP-TSN": lambda: Recognizer2D(ResNetTweaksTSN(18), PPTSNHead(5, 512, std=1.0)),
    "TSM with everything": lambda: Recognizer2D(
        ResNetTSM(18, 4, temporal_pool=True, non_local=[[0, 0], [1, 0], [0, 1], [0, 0]], shift_direction="torch"),
        TSMHead(5, 512, std=1.0),
    ),
}


@pytest.mark.parametrize("name", list(EXPORTED))
def test_exports_with_any_batch_size(name: str, tmp_path) -> None:
    model = EXPORTED[name]().eval()
    for key, value in model.state_dict().items():
        if key.endswith("conv_out._batch_norm.weight"):
            value.set_value(np.ones(value.shape, "float32"))
    spec = [paddle.static.InputSpec([None, 8, 3, 37, 43], "float32")]
    paddle.jit.save(Scores(model).eval(), str(tmp_path / "m"), input_spec=spec)
    program = paddle.jit.load(str(tmp_path / "m"))
    for size in (1, 3):
        imgs = paddle.to_tensor(RNG.normal(size=(size, 8, 3, 37, 43)).astype("float32"))
        expected = model.scores(imgs).numpy()
        np.testing.assert_allclose(program(imgs).numpy(), expected, atol=1e-4 * np.abs(expected).max())


def test_check_frames() -> None:
    tsm = Recognizer2D(ConvNet([8], num_seg=4), TSMHead(5, 8))
    tsm.check_frames([1, 8, 3, 32, 32])
    with pytest.raises(ValueError, match=r"6 frames.*num_seg=4"):
        tsm.check_frames([1, 6, 3, 32, 32])
    with pytest.raises(ValueError, match="32, 32, 3"):
        tsm.check_frames([1, 8, 32, 32, 3])
    with pytest.raises(ValueError, match=r"\[N, S, 3, H, W\]"):
        tsm.check_frames([8, 3, 32, 32])
    channels_last = Recognizer2D(ResNet(18, data_format="NHWC"), TSNHead(5, 512, data_format="NHWC"))
    channels_last.check_frames([1, 7, 32, 32, 3])


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"in_channels=2048.*ConvNet gives 8"):
        Recognizer2D(ConvNet([8]), TSNHead(5, 2048))
    with pytest.raises(ValueError, match="NCHW in the backbone, NHWC in the head"):
        Recognizer2D(ConvNet([8]), TSNHead(5, 8, data_format="NHWC"))


@pytest.mark.parametrize(
    "arguments", [{"num_classes": 0}, {"drop_ratio": 1.0}, {"std": -1.0}, {"ls_eps": 1.0}, {"fc_decay": -1.0}]
)
def test_senseless_values_are_refused(arguments: dict) -> None:
    with pytest.raises(ValueError, match=str(next(iter(arguments.values())))):
        TSMHead(**{"num_classes": 5, "in_channels": 4, **arguments})
