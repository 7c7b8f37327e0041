"""The model's first step: pixels become numbers on its device."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from paddlevideo.loader.batch import collate, normalised
from paddlevideo.loader.clip import Clip
from paddlevideo.loader.pipelines.array import Image2Array, Normalization
from paddlevideo.modeling.framework.base import Recognizer
from paddlevideo.tasks.evaluate import scorer
from paddlevideo.tasks.tensors import to_tensors

RNG = np.random.default_rng(0)
NORMAL = Normalization([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


class Mean(nn.Layer):
    """Stands for a backbone and a head: three classes, the means of the channels."""

    out_channels = in_channels = 3
    multi_label = False


class Means(Recognizer):
    def __init__(self) -> None:
        super().__init__(Mean(), Mean())
        self.seen: list[Any] = []

    def scores(self, imgs: Any) -> Any:
        self.seen.append(imgs)
        return imgs.mean(axis=[1, 3, 4])


def batch(op: Any) -> dict[str, Any]:
    clips = [Clip("x", frames=RNG.integers(0, 256, (2, 6, 7, 3), dtype=np.uint8)) for _ in range(3)]
    for each in (op, NORMAL):
        clips = [each(clip, RNG) for clip in clips]
    return collate(list(enumerate(clips)))


@pytest.mark.parametrize(
    "op", [Image2Array(), Image2Array(data_format="cthw"), Image2Array(transpose=False)], ids=lambda op: op.layout
)
def test_pixels_become_the_numbers_they_stand_for(op: Any) -> None:
    given = batch(op)
    tensors = to_tensors(given)
    assert tensors["imgs"].dtype == paddle.uint8
    assert set(tensors) == {"imgs", "scale", "shift", "label"}
    found = Means().inputs(tensors)
    assert found.dtype == paddle.float32
    in_thwc = given["imgs"].transpose([0, *(1 + op.layout.index(axis) for axis in "thwc")])
    expected = (in_thwc / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    as_given = expected.transpose([0, *(1 + "thwc".index(axis) for axis in op.layout)])
    np.testing.assert_allclose(found.numpy(), as_given, atol=1e-6)
    np.testing.assert_allclose(normalised(given), as_given, atol=1e-6)


def test_numbers_are_taken_as_they_are() -> None:
    given = to_tensors({"imgs": RNG.normal(size=(2, 3)).astype("float32")})
    assert Means().inputs(given) is given["imgs"]


@pytest.mark.skipif(not paddle.is_compiled_with_cuda(), reason="Paddle has no mixed precision on the CPU")
@pytest.mark.parametrize("level", ["O1", "O2"])
def test_mixed_precision_does_not_round_them(level: str) -> None:
    """The network may compute in 16 bits; what it is given is what it would be given of normalised frames."""
    given = batch(Image2Array())
    with paddle.amp.auto_cast(enable=True, level=level):
        found = Means().inputs(to_tensors(given))
    assert found.dtype == paddle.float32
    np.testing.assert_allclose(found.numpy(), normalised(given), atol=1e-6)


def test_evaluation_scores_pixels_like_numbers() -> None:
    given, model = batch(Image2Array()), Means()
    np.testing.assert_allclose(scorer(model)(given), normalised(given).mean(axis=(1, 3, 4)), atol=1e-5)
    np.testing.assert_allclose(scorer(model)({"imgs": normalised(given)}), scorer(model)(given), atol=1e-5)
    assert {str(imgs.dtype) for imgs in model.seen} == {str(paddle.float32)}
