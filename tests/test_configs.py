"""Every config of the tree: it resolves, its parts fit, its model builds, and its first lines say how to use it."""

from pathlib import Path

import pytest
import yaml

from paddlevideo.registry import BACKBONES, DATASETS, HEADS, METRICS, OPTIMIZERS, PIPELINES, RECOGNIZERS, SCHEDULES
from paddlevideo.solver.lr import Progress
from paddlevideo.tasks import run, schema

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
NAMES = [str(path.relative_to(ROOT)) for path in CONFIGS]


def test_the_tree_has_configs() -> None:
    assert {"tsm_demo", "tsn_demo", "tsm_k400_videos", "tsn_k400_videos"} <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=NAMES)
def test_parts_fit(path: Path) -> None:
    resolved = schema.load(path)
    assert not resolved.notes, "our own configs write no key that is not needed"
    run.check_all_fit(resolved.root)


@pytest.mark.parametrize("path", CONFIGS, ids=NAMES)
def test_the_resolved_config_resolves_to_itself(path: Path, tmp_path: Path) -> None:
    resolved = schema.load(path)
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(resolved.data))
    assert schema.load(again).data == resolved.data


@pytest.mark.parametrize("path", CONFIGS, ids=NAMES)
def test_the_learning_rate_is_positive_to_the_end(path: Path) -> None:
    cfg = schema.load(path).root
    assert cfg.OPTIMIZER is not None
    rates = [cfg.OPTIMIZER.lr(Progress(epoch, step, 10)) for epoch in range(cfg.epochs) for step in (0, 9)]
    assert min(rates) > 0 and max(rates) <= 1


@pytest.mark.parametrize("path", CONFIGS, ids=NAMES)
def test_the_first_lines_say_how_to_use_it(path: Path) -> None:
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    text = "\n".join(head)
    assert f"-c {path.relative_to(ROOT)}" in text, "the command that trains it"
    assert "accuracy" in text and "time" in text


@pytest.mark.parametrize(
    "table", [BACKBONES, DATASETS, HEADS, METRICS, OPTIMIZERS, PIPELINES, RECOGNIZERS, SCHEDULES], ids=lambda t: t.kind
)
def test_every_component_has_a_schema(table: object) -> None:
    from paddlevideo.config import REQUIRED, parameters

    for name in table:  # type: ignore[attr-defined]
        for argument, (annotation, _) in parameters(table.get(name)).items():  # type: ignore[attr-defined]
            assert annotation is not REQUIRED, f"{name}: {argument} has no type"


# What people have: the form of PaddleVideo's own files, with the keys that we read and do not need.
PADDLEVIDEO_FORM = """
MODEL:
    framework: "Recognizer2D"
    backbone:
        name: "ResNetTSM"
        pretrained: "data/ResNet50_pretrain.pdparams"
        num_seg: 8
        depth: 18
    head:
        name: "TSMHead"
        num_classes: 101
        in_channels: 512
        drop_ratio: 0.8
        std: 0.001

DATASET:
    batch_size: 16
    num_workers: 4
    shuffle_valid: False
    train:
        format: "VideoDataset"
        data_prefix: ""
        file_path: "ucf101_train_split_1_videos.txt"
        suffix: '.avi'
        num_retries: 5
    test:
        format: "FrameDataset"
        file_path: "ucf101_val_split_1_rawframes.txt"
        suffix: 'img_{:05}.jpg'

PIPELINE:
    train:
        decode:
            name: "VideoDecoder"
        sample:
            name: "Sampler"
            num_seg: 8
            seg_len: 1
            valid_mode: False
            select_left: True
        transform:
            - MultiScaleCrop:
                target_size: 224
                allow_duplication: True
            - RandomFlip:
            - Image2Array:
            - Normalization:
                mean: [0.485, 0.456, 0.406]
                std: [0.229, 0.224, 0.225]
    test:
        decode:
            name: "FrameDecoder"
        sample:
            name: "Sampler"
            num_seg: 8
            seg_len: 1
            valid_mode: True
            select_left: True
            use_pil: False
        transform:
            - Scale:
                short_size: 256
                fixed_ratio: False
                keep_ratio: True
            - CenterCrop:
                target_size: 224
                backend: pillow
            - Image2Array:
            - Normalization:
                mean: [0.485, 0.456, 0.406]
                std: [0.229, 0.224, 0.225]
                tensor_shape: [3, 1, 1]

OPTIMIZER:
    name: 'Momentum'
    momentum: 0.9
    learning_rate:
        iter_step: False
        name: 'PiecewiseDecay'
        boundaries: [10, 20]
        values: [0.001, 0.0001, 0.00001]
    weight_decay:
        name: 'L2'
        value: 1e-4
    grad_clip:
        name: 'ClipGradByGlobalNorm'
        value: 20.0

METRIC:
    name: 'CenterCropMetric'

INFERENCE:
    name: 'ppTSM_Inference_helper'
    num_seg: 8
    target_size: 224

model_name: "TSM"
save_interval: 10
log_interval: 20
epochs: 25
log_level: "INFO"
"""


def test_paddlevideo_files_load_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "tsm_ucf101.yaml"
    path.write_text(PADDLEVIDEO_FORM)
    resolved = schema.load(path)
    assert set(resolved.notes) == {
        "DATASET.shuffle_valid",
        "VideoDataset.num_retries",
        "Sampler.use_pil",
        "CenterCrop.backend",
        "Normalization.tensor_shape",
        "INFERENCE",
        "log_level",
    }
    run.check_all_fit(resolved.root)
    assert resolved.root.OPTIMIZER is not None and resolved.root.OPTIMIZER.weight_decay is not None
    assert resolved.data["OPTIMIZER"]["weight_decay"]["value"] == 1e-4
