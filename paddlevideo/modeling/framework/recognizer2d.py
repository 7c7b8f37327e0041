"""Video models whose backbone takes single frames as images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from paddle import Tensor, nn

from paddlevideo.modeling.framework.base import Recognizer
from paddlevideo.modeling.framework.runtime import RuntimeConfig
from paddlevideo.registry import BACKBONES, HEADS, RECOGNIZERS


@RECOGNIZERS.register
class Recognizer2D(Recognizer):
    """All S frames of a video (segments x clips x crops) go through the backbone as images; the head averages them.

    Args:
        backbone: maps frames [N*S, 3, H, W] to features [N*S, C, H', W'], fewer by its `frame_stride` where it pools
            over time.
        head: maps those to logits [N, K].
        runtime_cfg: what is averaged over views in evaluation: "score" (default), the logits, over all frames at once;
            "prob", the probabilities of each view of `num_seg` frames.

    Raises:
        ValueError: when backbone and head disagree on the channels or the data format, or it is not known how many
            frames a view has.
    """

    def __init__(
        self,
        backbone: Annotated[nn.Layer, BACKBONES],
        head: Annotated[nn.Layer, HEADS],
        runtime_cfg: RuntimeConfig | None = None,
    ) -> None:
        super().__init__(backbone, head)
        if not hasattr(backbone, "data_format"):
            raise ValueError(f"{type(backbone).__name__} takes whole clips; use framework: RecognizerTransformer")
        if backbone.data_format != head.data_format:
            raise ValueError(f"data_format is {backbone.data_format} in the backbone, {head.data_format} in the head")
        self.layout = "tchw" if backbone.data_format == "NCHW" else "thwc"
        test = (runtime_cfg or RuntimeConfig()).test
        self.view_frames = test.num_seg or backbone.num_seg
        if test.avg_type == "prob":
            if test.num_seg is None and backbone.num_seg == 1:
                raise ValueError("runtime_cfg.test: avg_type: prob needs num_seg, the frames of one view")
            self.score_kind = "probabilities"

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """batch["imgs"] [N, S, 3, H, W] (NHWC: [N, S, H, W, 3]) -> logits [N, K]."""
        return self._logits(self.inputs(batch))

    def with_feature(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """batch["imgs"] as for `forward` -> logits [N, K], and the features averaged over place and time [N, C]."""
        features, num_frames = self._features(self.inputs(batch))
        mean = self.head.pool(features).reshape([-1, num_frames, self.head.in_channels]).mean(axis=1)  # [N, C]
        return self.head(features, num_frames), mean

    def scores(self, imgs: Tensor) -> Tensor:
        """[N, S, 3, H, W] (NHWC: [N, S, H, W, 3]) -> logits or probabilities [N, K], averaged over the V views."""
        if self.score_kind == "logits":
            return self._logits(imgs)
        num_frames = imgs.shape[1]
        t = min(self.view_frames, num_frames)  # a video of fewer frames, as in validation, is one view
        views = imgs.reshape([-1, t, *imgs.shape[2:]])  # [N*V, T, 3, H, W]
        chances = self.head.probabilities(self._logits(views))  # [N*V, K]
        return chances.reshape([-1, num_frames // t, self.head.num_classes]).mean(axis=1)

    def _logits(self, imgs: Tensor) -> Tensor:
        return self.head(*self._features(imgs))

    def _features(self, imgs: Tensor) -> tuple[Tensor, int]:
        """The backbone's output, and how many of its frames a video has."""
        frames = imgs.reshape([-1, *imgs.shape[2:]])  # [N*S, 3, H, W]
        return self.backbone(frames), imgs.shape[1] // self.backbone.frame_stride

    def check_frames(self, shape: Sequence[int], views: int | None = None) -> None:
        """Raises ValueError unless `shape` is [N, S, 3, H, W] (NHWC: [N, S, H, W, 3]) and a view holds whole clips."""
        order = "[N, S, 3, H, W]" if self.backbone.data_format == "NCHW" else "[N, S, H, W, 3]"
        channel = 2 if self.backbone.data_format == "NCHW" else 4
        if len(shape) != 5 or shape[channel] != 3:
            raise ValueError(f"the frames have shape {list(shape)}, but the model takes {order}")
        t = min(self.view_frames, shape[1])
        if self.score_kind == "probabilities" and (shape[1] % t or views not in (None, shape[1] // t)):
            raise ValueError(
                f"{views or 1} views of {shape[1]} frames in all are not views of {t} frames "
                "(runtime_cfg.test.num_seg), whose probabilities are averaged"
            )
        if shape[1] % ((views or 1) * self.backbone.num_seg):
            of = f"{views} views" if views and views > 1 else "a video"
            raise ValueError(
                f"{shape[1]} frames of {of} are not a multiple of the backbone's num_seg={self.backbone.num_seg}"
            )
