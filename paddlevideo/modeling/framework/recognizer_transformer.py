"""Video models whose backbone takes whole clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from paddle import Tensor, nn

from paddlevideo.modeling.backbones.vision_transformer import VisionTransformer
from paddlevideo.modeling.framework.base import Recognizer
from paddlevideo.modeling.framework.runtime import RuntimeConfig
from paddlevideo.modeling.heads.timesformer_head import TimeSformerHead
from paddlevideo.registry import BACKBONES, HEADS, RECOGNIZERS


@RECOGNIZERS.register
class RecognizerTransformer(Recognizer):
    """Clips go through the backbone one by one; the scores of a video's views are averaged.

    Args:
        backbone: maps clips [N, 3, T, H, W] to features [N, D].
        head: maps those to logits [N, K].
        runtime_cfg: how views are cut and averaged in evaluation; V of them lie one after another on T.

    Raises:
        ValueError: when backbone and head disagree on the channels, or the backbone takes single frames.
    """

    layout = "cthw"

    def __init__(
        self,
        backbone: Annotated[nn.Layer, BACKBONES],
        head: Annotated[nn.Layer, HEADS],
        runtime_cfg: RuntimeConfig | None = None,
    ) -> None:
        if not isinstance(backbone, VisionTransformer) or not isinstance(head, TimeSformerHead):
            raise ValueError(
                f"RecognizerTransformer joins a VisionTransformer and its head, not {type(backbone).__name__} and "
                f"{type(head).__name__}; framework: Recognizer2D takes those"
            )
        super().__init__(backbone, head)
        test = (runtime_cfg or RuntimeConfig()).test
        self.view_frames = test.num_seg or backbone.num_seg
        self.score_kind = "probabilities" if test.avg_type == "prob" else "logits"

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """batch["imgs"] [N, 3, T, H, W], one view a video -> logits [N, K]."""
        return self.head(self.backbone(self.inputs(batch)))

    def with_feature(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """batch["imgs"] as for `forward` -> logits [N, K], and the class tokens [N, D]."""
        features = self.backbone(self.inputs(batch))
        return self.head(features), features

    def scores(self, imgs: Tensor) -> Tensor:
        """[N, 3, V*T, H, W] -> logits or probabilities [N, K], the mean over the V views; see `score_kind`."""
        channels, frames, height, width = imgs.shape[1:]
        t = min(self.view_frames, frames)  # a shorter video, as a training clip in validation, is one view
        views = imgs.reshape([-1, channels, frames // t, t, height, width])  # [N, 3, V, T, H, W]
        clips = views.transpose([0, 2, 1, 3, 4, 5]).reshape([-1, channels, t, height, width])  # [N*V, 3, T, H, W]
        scores = self.head(self.backbone(clips))  # [N*V, K]
        if self.score_kind == "probabilities":
            scores = self.head.probabilities(scores)
        return scores.reshape([-1, frames // t, self.head.num_classes]).mean(axis=1)

    def check_frames(self, shape: Sequence[int], views: int | None = None) -> None:
        """Raises ValueError unless `shape` is [N, 3, V*T, H, W], in whole patches, and V = `views` where given.

        A single view may be shorter: of the backbone's num_seg frames, as clips for training are.
        """
        self.backbone.check_clip(shape)
        if views in (None, 1) and shape[2] == self.backbone.num_seg <= self.view_frames:
            return
        setting = f"views of {self.view_frames} frames (runtime_cfg.test.num_seg, by default the backbone's num_seg)"
        if views is None and shape[2] % self.view_frames:
            raise ValueError(f"{shape[2]} frames a video do not divide into the model's {setting}")
        if views is not None and shape[2] != views * self.view_frames:
            given = f"{views} x {shape[2] // views} frames a video"
            raise ValueError(f"the pipeline gives {given}; the model takes {setting}")
