"""The `runtime_cfg` of a model: how the scores of several views of a video become one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class ViewConfig:
    """How the scores of a video are made of its views.

    Attributes:
        num_seg: frames of one view; None: the backbone's num_seg.
        avg_type: what is averaged over the views: "score", the logits, or "prob", their softmax.
    """

    num_seg: int | None = None
    avg_type: Literal["score", "prob"] = "score"

    def __post_init__(self) -> None:
        if self.num_seg is not None and self.num_seg < 1:
            raise ValueError(f"num_seg={self.num_seg} must be 1 or more")


@dataclass(frozen=True)
class RuntimeConfig:
    """Settings that are no part of the network."""

    test: ViewConfig = field(default_factory=ViewConfig)
