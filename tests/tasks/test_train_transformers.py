"""A very small TimeSformer trained from image weights, validated, tested with longer clips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddlevideo.modeling.backbones.vision_transformer import VisionTransformer
from paddlevideo.modeling.weights import read_state
from paddlevideo.tasks import schema, train
from paddlevideo.tasks import test as testing
from paddlevideo.tasks.start import TrainOptions
from paddlevideo.utils import log
from paddlevideo.utils.errors import UserError

CONFIG = """
MODEL:
  framework: RecognizerTransformer
  backbone: {{name: VisionTransformer, pretrained: {data}/../vit.pdparams, img_size: 16, patch_size: 8, embed_dim: 16,
    depth: 2, num_heads: 2, num_seg: 4, qkv_bias: True, recompute: {recompute}}}
  head: {{name: TimeSformerHead, num_classes: 8, in_channels: 16, std: 0.02}}
  runtime_cfg: {{test: {{num_seg: 4, avg_type: {avg_type}}}}}
DATASET:
  batch_size: 4
  test_batch_size: 5
  train: {{format: VideoDataset, file_path: {data}/train.list, data_prefix: {data}}}
  valid: &valid {{format: VideoDataset, file_path: {data}/valid.list, data_prefix: {data}}}
  test: *valid
PIPELINE:
  train: &train
    decode: {{name: VideoDecoder, backend: pyav, mode: train, num_seg: 4, sampling_rate: 4}}
    sample: {{name: Sampler, num_seg: 4, seg_len: 1, valid_mode: False, linspace_sample: True}}
    transform:
    - Normalization: &norm {{mean: [0.45, 0.45, 0.45], std: [0.225, 0.225, 0.225], tensor_shape: [1, 1, 1, 3]}}
    - Image2Array: {{data_format: cthw}}
    - JitterScale: {{min_size: 17, max_size: 20}}
    - RandomCrop: {{target_size: 16}}
    - RandomFlip:
  valid: *train
  test:
    decode: {{name: VideoDecoder, backend: pyav, mode: test, num_seg: 4, sampling_rate: 4}}
    sample: {{name: Sampler, num_seg: 4, seg_len: 1, valid_mode: True, linspace_sample: True}}
    transform:
    - Normalization: *norm
    - Image2Array: {{data_format: cthw}}
    - JitterScale: {{min_size: 16, max_size: 16}}
    - UniformCrop: {{target_size: 16}}
OPTIMIZER:
  name: Momentum
  momentum: 0.9
  use_nesterov: True
  learning_rate: {{name: MultiStepDecay, learning_rate: 0.01, milestones: [1], gamma: 0.1}}
  weight_decay: {{name: L2, value: 1e-4}}
GRADIENT_ACCUMULATION: {{global_batch_size: 8}}
model_name: Tiny
output_dir: {output}
epochs: 1
log_interval: 2
"""


@pytest.fixture
def config(data: Path, tmp_path: Path) -> Callable[..., Path]:
    """config(recompute, avg_type, name): a config whose backbone starts from image weights."""
    paddle.seed(2)
    image = VisionTransformer(8, 8, embed_dim=16, depth=2, num_heads=2, qkv_bias=True, attention_type="space_only")
    paddle.save(image.state_dict(), str(data.parent / "vit.pdparams"))

    def write(recompute: bool = False, avg_type: str = "score", name: str = "a") -> Path:
        path = tmp_path / f"{name}.yaml"
        parts = {"data": data, "output": tmp_path / name, "recompute": recompute, "avg_type": avg_type}
        path.write_text(CONFIG.format(**parts))
        return path

    return write


def test_from_image_weights_to_a_test_of_longer_clips(config: Callable[..., Path], tmp_path: Path) -> None:
    plain, again = config(name="a"), config(recompute=True, avg_type="prob", name="b")
    for path in (plain, again):
        resolved = schema.load(path)
        log.setup(resolved.root.output / "run.log")
        train.train(resolved, TrainOptions(validate=True))
    text = (tmp_path / "a/run.log").read_text()
    for line in (
        "position embeddings of 1x1 patches interpolated for 2x2",
        "temporal attention and norm copied from the spatial ones",
        "temporal_fc and time_embed keep their initialisation",
        "training Tiny finished",
    ):
        assert line in text
    one, other = (read_state(tmp_path / f"{name}/Tiny_epoch_00001.pdparams") for name in "ab")
    for name, value in one.items():  # recomputed activations, and what evaluation averages, change no training
        np.testing.assert_allclose(other[name], value, atol=1e-5, err_msg=name)
    assert one["backbone.blocks.0.temporal_fc.weight"].any()

    weights = str(tmp_path / "b/Tiny_epoch_00001.pdparams")
    result = testing.test(schema.load(again), weights)
    np.testing.assert_allclose(result.scores.sum(axis=1), 1, atol=1e-5)
    assert 0 < result.figures["loss"] < 5
    longer = schema.load(again, ["num_seg=6"])
    assert testing.test(longer, weights).scores.shape == result.scores.shape
    assert "time embeddings of 4 frames spread over 6, by the nearest" in (tmp_path / "b/run.log").read_text()


def test_clips_longer_than_the_views_are_refused_before_the_first_step(config: Callable[..., Path]) -> None:
    resolved = schema.load(config(), ["PIPELINE.train.sample.num_seg=8"])
    with pytest.raises(UserError, match=r"PIPELINE.train and MODEL do not fit: the pipeline gives 1 x 8 frames a"):
        train.train(resolved, TrainOptions())
