"""A pipeline as a whole: from a config section, and with another way to open videos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import numbered, read_number, write_frames

from paddlevideo import config
from paddlevideo.loader.clip import Clip
from paddlevideo.loader.pipelines import Pipeline
from paddlevideo.loader.pipelines.decode import VideoDecoder
from paddlevideo.loader.pipelines.flip import RandomFlip
from paddlevideo.loader.pipelines.resize import Scale
from paddlevideo.loader.pipelines.sample import Sampler

SECTION = """
decode:
  name: FrameDecoder
sample:
  name: Sampler
  num_seg: 4
  valid_mode: True
transform:
  - Scale:
      short_size: 32
  - RandomFlip:
  - Image2Array:
      data_format: cthw
  - Normalization:
      mean: [0, 0, 0]
      std: [1.0, 1.0, 1.0]
"""


def test_a_section_of_a_config_becomes_a_pipeline(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text(SECTION)
    pipeline = config.load(path, Pipeline).root
    folder = write_frames(tmp_path / "clip", numbered(8))
    clip = Clip(str(folder), num_frames=8, frame_pattern="img_{:05}.jpg")
    result = pipeline(clip, np.random.default_rng(0))
    assert result.array().shape == (3, 4, 32, 42)  # [C, T, H, W]
    assert result.source is None


def test_another_decode_keeps_the_rest() -> None:
    def blank(clip: Clip, rng: np.random.Generator) -> Clip:
        return replace(clip, source=Blank(), num_frames=9)

    class Blank:
        num_frames = 9

        def read(self, indices: list[int]) -> np.ndarray:
            return numbered(9)[indices]

    pipeline = Pipeline(VideoDecoder(), Sampler(3, valid_mode=True)).with_decode(blank)
    clip = pipeline(Clip("nowhere.mp4"), np.random.default_rng(0))
    assert [read_number(frame) for frame in clip.pixels()] == [1, 4, 7]


def test_ops_that_need_frames_before_there_are_any() -> None:
    with pytest.raises(ValueError, match="before its `sample` step"):
        Scale(32)(Clip("a.mp4"), np.random.default_rng(0))
    with pytest.raises(ValueError, match="before its `decode` step"):
        Pipeline(RandomFlip(p=0), Sampler(3))(Clip("a.mp4"), np.random.default_rng(0))
