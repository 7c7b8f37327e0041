"""The interface of a whole model to training, evaluation and export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import paddle
from paddle import Tensor, nn


class Recognizer(nn.Layer):
    """A backbone and a head. N videos, S frames each with all their views, K classes.

    Attributes:
        score_kind: what `scores` gives: "logits", or "probabilities" (views averaged after their softmax or sigmoid).
        multi_label: whether a video has any number of labels: probabilities by sigmoid instead of softmax.
        layout: order of the axes of one clip, "tchw", "thwc" or "cthw".
    """

    score_kind: Literal["logits", "probabilities"] = "logits"
    layout: str

    def __init__(self, backbone: nn.Layer, head: nn.Layer) -> None:
        super().__init__()
        if backbone.out_channels != head.in_channels:
            raise ValueError(
                f"head.in_channels={head.in_channels}, but {type(backbone).__name__} gives {backbone.out_channels}"
            )
        self.backbone = backbone
        self.head = head
        self.multi_label: bool = head.multi_label

    def inputs(self, batch: Mapping[str, Tensor]) -> Tensor:
        """A batch -> the frames as the backbone takes them: imgs * scale + shift where the batch has those, float32.

        Pixels come as uint8 to the device and become numbers there. In mixed precision too that is done in float32, so
        that the network sees what it would see of normalised frames.
        """
        if "scale" not in batch:
            return batch["imgs"]
        with paddle.amp.auto_cast(enable=False):
            return batch["imgs"].astype("float32") * batch["scale"] + batch["shift"]

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """A batch with "imgs" (see `inputs`) -> logits [N, K] for the loss. The batch is left as it is."""
        raise NotImplementedError

    def with_feature(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """A batch, one view a video -> what `forward` gives, and the mean of the backbone's features [N, C]."""
        raise NotImplementedError

    def logits(self, outputs: Tensor) -> Tensor:
        """What `forward` gives -> the logits [N, K] of the model that is trained: here the same."""
        return outputs

    def scores(self, imgs: Tensor) -> Tensor:
        """Frames -> scores [N, K] averaged over the views of each video; `score_kind` tells what they are."""
        raise NotImplementedError

    def check_frames(self, shape: Sequence[int], views: int | None = None) -> None:
        """Raises ValueError when a batch of frames of this shape, `views` of each video, does not fit the model."""
        raise NotImplementedError

    def loss(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Logits [N, K] and a batch with "label" [N] or [N, L] -> a scalar. Labels are smoothed in training mode only.

        In a mixed batch, with "label_b" [N] and "lam" [] too, clips count for both labels: lam times the loss for the
        first plus (1 - lam) times that for the second.
        """
        loss = self.head.loss(logits, batch["label"])
        if "lam" not in batch:
            return loss
        lam = batch["lam"]
        return lam * loss + (1 - lam) * self.head.loss(logits, batch["label_b"])

    def accuracy(self, logits: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Logits [N, K] and a batch with "label" [N] -> {"top1": scalar, ...}, each 0..1; see `Head.accuracy`.

        Of a mixed batch it is the mean for both labels, weighted like the loss.
        """
        hits = self.head.accuracy(logits, batch["label"])
        if "lam" not in batch:
            return hits
        lam, others = batch["lam"], self.head.accuracy(logits, batch["label_b"])
        return {name: lam * value + (1 - lam) * others[name] for name, value in hits.items()}

    def predict(self, imgs: Tensor) -> Tensor:
        """Frames -> class probabilities [N, K]: softmax (or sigmoid) exactly once. Meant for evaluation mode."""
        scores = self.scores(imgs)
        return self.head.probabilities(scores) if self.score_kind == "logits" else scores
