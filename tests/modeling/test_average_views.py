"""Recognizer2D with several views: averaged before the softmax or after it."""

import numpy as np
import paddle
import pytest
from paddle.nn import functional as F

from paddlevideo.modeling.backbones.convnet import ConvNet
from paddlevideo.modeling.framework.recognizer2d import Recognizer2D
from paddlevideo.modeling.framework.runtime import RuntimeConfig, ViewConfig
from paddlevideo.modeling.heads.tsm_head import TSMHead
from paddlevideo.modeling.heads.tsn_head import TSNHead


def model(kind: str, shift: float = 0.25, num_seg: int | None = None) -> Recognizer2D:
    """A tiny TSM (with shift) or TSN of 4 frames a view, whose logits are far apart."""
    paddle.seed(3)
    head = TSMHead(5, 8, std=2.0) if shift else TSNHead(5, 8, std=2.0)
    test = ViewConfig(num_seg=num_seg, avg_type=kind)  # type: ignore[arg-type]
    built = Recognizer2D(ConvNet([8], num_seg=4, shift_ratio=shift), head, RuntimeConfig(test))
    built.eval()
    return built


def frames(count: int) -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(0).normal(size=(2, count, 3, 8, 8)).astype("float32") * 5)


@pytest.mark.parametrize("shift", [0.25, 0.0])
def test_prob_is_the_mean_of_each_views_softmax(shift: float) -> None:
    score, prob = model("score", shift), model("prob", shift, num_seg=4)
    imgs = frames(12)
    views = [score.scores(imgs[:, start : start + 4]) for start in (0, 4, 8)]
    mean = np.mean([view.numpy() for view in views], axis=0)
    chances = np.mean([F.softmax(view, axis=-1).numpy() for view in views], axis=0)
    np.testing.assert_allclose(score.scores(imgs).numpy(), mean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(prob.scores(imgs).numpy(), chances, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(prob.predict(imgs).numpy(), chances, rtol=1e-4, atol=1e-5)
    assert np.abs(score.predict(imgs).numpy() - chances).max() > 0.01
    assert (score.score_kind, prob.score_kind) == ("logits", "probabilities")
    np.testing.assert_allclose(prob({"imgs": imgs}).numpy(), mean, rtol=1e-4, atol=1e-4)  # training takes logits


def test_frames_of_a_view_are_the_backbones_unless_told() -> None:
    assert model("prob").view_frames == 4
    assert model("prob", num_seg=8).view_frames == 8
    with pytest.raises(ValueError, match="avg_type: prob needs num_seg, the frames of one view"):
        model("prob", shift=0.0)


@pytest.mark.parametrize(
    ("count", "views", "fits"),
    [(8, 1, True), (4, 1, True), (16, 2, True), (16, 1, False), (16, 4, False), (12, None, False)],
)
def test_views_must_be_those_of_the_pipeline(count: int, views: int | None, fits: bool) -> None:
    built = model("prob", num_seg=8)
    if fits:
        built.check_frames([1, count, 3, 8, 8], views)
        return
    with pytest.raises(ValueError, match=r"are not views of 8 frames \(runtime_cfg\.test\.num_seg\)"):
        built.check_frames([1, count, 3, 8, 8], views)
