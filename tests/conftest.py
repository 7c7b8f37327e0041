"""What many tests share. The process settings come first: Paddle reads them when it is imported."""

from paddlevideo.utils import environment

environment.prepare()

from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

import make_demo  # noqa: E402
import pytest  # noqa: E402

TINY = """
MODEL:
  framework: Recognizer2D
  backbone: {{name: ConvNet, channels: [8, 16], num_seg: 4, shift_ratio: 0.25}}
  head: {{name: TSMHead, num_classes: 8, in_channels: 16, drop_ratio: 0.5, std: 0.01}}
DATASET:
  batch_size: 4
  test_batch_size: 3
  labels: {data}/labels.txt
  train: &train {{format: VideoDataset, file_path: {data}/train.list, data_prefix: {data}}}
  valid: &valid {{format: VideoDataset, file_path: {data}/valid.list, data_prefix: {data}}}
  test: *valid
PIPELINE:
  train:
    decode: {{name: VideoDecoder}}
    sample: {{name: Sampler, num_seg: 4, seg_len: 1, valid_mode: False, select_left: True}}
    transform:
    - Scale: {{short_size: 18, fixed_ratio: False, keep_ratio: True, backend: cv2}}
    - RandomCrop: {{target_size: 16}}
    - Image2Array:
    - Normalization: {{mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}}
  valid: &test
    decode: {{name: VideoDecoder}}
    sample: {{name: Sampler, num_seg: 4, seg_len: 1, valid_mode: True, select_left: True}}
    transform:
    - Scale: {{short_size: 16, fixed_ratio: False, keep_ratio: True, backend: cv2}}
    - CenterCrop: {{target_size: 16}}
    - Image2Array:
    - Normalization: {{mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}}
  test: *test
OPTIMIZER:
  name: Momentum
  momentum: 0.9
  learning_rate: {{name: PiecewiseDecay, boundaries: [1], values: [0.05, 0.01]}}
  weight_decay: {{name: L2, value: 1e-4}}
  grad_clip: {{name: ClipGradByGlobalNorm, value: 20.0}}
METRIC: {{name: CenterCropMetric}}
model_name: Tiny
output_dir: {output}
epochs: 2
log_interval: 2
"""


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A very small demo data set: 22 clips to train on, 10 to validate."""
    folder = tmp_path_factory.mktemp("videos") / "shapes"
    make_demo.make_dataset(folder, {"train": 22, "valid": 10}, size=32)
    return folder


@pytest.fixture
def tiny(data: Path, tmp_path: Path) -> Path:
    """A config that trains a very small TSM on `data` in a second or two, writing below tmp_path/output."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY.format(data=data, output=tmp_path / "output"))
    return path


@pytest.fixture
def edited(tiny: Path) -> Callable[[str, str], Path]:
    """Rewrites the tiny config: edited(old, new)."""

    def edit(old: str, new: str) -> Path:
        text = tiny.read_text()
        assert old in text, f"the tiny config has no {old!r}"
        tiny.write_text(text.replace(old, new))
        return tiny

    return edit
