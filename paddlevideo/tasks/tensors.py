"""Batches on their way from the loader to the model."""

from __future__ import annotations

import paddle
from paddle import Tensor

from paddlevideo.loader.batch import Batch

MODEL_KEYS = ("imgs", "scale", "shift", "label", "label_b", "lam")


def to_tensors(batch: Batch) -> dict[str, Tensor]:
    """What a model reads of a batch, on its device. Pixels stay uint8; `Recognizer.inputs` makes numbers of them."""
    return {key: paddle.to_tensor(batch[key]) for key in MODEL_KEYS if key in batch}
