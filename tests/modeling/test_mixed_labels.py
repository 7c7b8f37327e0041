"""Loss and accuracy of mixed batches: the convex combination for both labels, smoothed and not."""

import numpy as np
import paddle
import pytest

from paddlevideo.modeling.backbones.convnet import ConvNet
from paddlevideo.modeling.framework.recognizer2d import Recognizer2D
from paddlevideo.modeling.heads.tsm_head import TSMHead

LOGITS = np.array([[2.0, 0.0, 1.0, -1.0, 0.5, 3.0], [0.0, 1.0, 0.0, 0.0, 4.0, 0.0]], "float32")
OWN, OTHER, LAM = [0, 4], [5, 1], 0.3


def model(ls_eps: float) -> Recognizer2D:
    head = TSMHead(6, 4, ls_eps=ls_eps)
    return Recognizer2D(ConvNet([4], num_seg=2, shift_ratio=0.0), head)


def batch(mixed: bool, label: list[int]) -> dict[str, paddle.Tensor]:
    one = {"label": paddle.to_tensor(label)}
    more = {"label_b": paddle.to_tensor(OTHER), "lam": paddle.to_tensor(np.array(LAM, "float32"))}
    return one | more if mixed else one


def cross_entropy(labels: list[int], eps: float) -> float:
    """By the formula: -(1 - eps) log p of the label - eps / K * the sum of all log p; mean over the batch."""
    log_p = LOGITS.astype("float64") - np.log(np.exp(LOGITS.astype("float64")).sum(axis=1, keepdims=True))
    own = log_p[np.arange(2), labels]
    return float(-((1 - eps) * own + eps / 6 * log_p.sum(axis=1)).mean())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("eps", [0.0, 0.1])
def test_the_loss_counts_both_labels_smoothed_in_training(eps: float, training: bool) -> None:
    net = model(eps)
    net.train() if training else net.eval()
    used = eps if training else 0.0
    expected = LAM * cross_entropy(OWN, used) + (1 - LAM) * cross_entropy(OTHER, used)
    assert net.loss(paddle.to_tensor(LOGITS), batch(True, OWN)).item() == pytest.approx(expected, rel=1e-6)
    plain = net.loss(paddle.to_tensor(LOGITS), batch(False, OWN)).item()
    assert plain == pytest.approx(cross_entropy(OWN, used), rel=1e-6) and plain != pytest.approx(expected)


def test_the_gradient_is_that_of_the_mixed_target() -> None:
    net = model(0.0)
    logits = paddle.to_tensor(LOGITS, stop_gradient=False)
    net.loss(logits, batch(True, OWN)).backward()
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    target = LAM * np.eye(6)[OWN] + (1 - LAM) * np.eye(6)[OTHER]
    np.testing.assert_allclose(logits.grad.numpy(), (p - target) / 2, atol=1e-6)


def test_the_accuracy_is_the_same_combination() -> None:
    """Own: classes 0 (2nd best) and 4 (best); partners': 5 (best) and 1 (2nd best). All are among the best five."""
    figures = {k: v.item() for k, v in model(0.0).accuracy(paddle.to_tensor(LOGITS), batch(True, [3, 4])).items()}
    assert figures["top1"] == pytest.approx(0.3 * 0.5 + 0.7 * 0.5)
    assert figures["top5"] == pytest.approx(0.3 * 0.5 + 0.7 * 1.0), "class 3 is the worst of six in the first row"
