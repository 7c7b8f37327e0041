"""Every config of the tree: it resolves, its parts fit, its model builds, and its first lines say how to use it."""

from pathlib import Path

import pytest
import yaml
from paddlevideo_form import FILES

from paddlevideo.registry import (
    BACKBONES,
    DATASETS,
    DISTILLATION_LOSSES,
    HEADS,
    METRICS,
    MIXES,
    OPTIMIZERS,
    PIPELINES,
    RECOGNIZERS,
    SCHEDULES,
)
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
    "table",
    [BACKBONES, DATASETS, DISTILLATION_LOSSES, HEADS, METRICS, MIXES, OPTIMIZERS, PIPELINES, RECOGNIZERS, SCHEDULES],
    ids=lambda t: t.kind,
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


NEEDLESS = {
    "DATASET.shuffle_valid",
    "INFERENCE",
    "log_level",
    "resume_from",
    "CenterCrop.backend",
    "Normalization.tensor_shape",
    "Sampler.use_pil",
    "FrameDataset.num_retries",
    "VideoDataset.num_retries",
    "VisionTransformer_tweaks.wd_bias",
    "VisionTransformer_tweaks.lr_mult_list",
}


@pytest.mark.parametrize("name", FILES)
def test_paddlevideo_files_of_the_six_models_check_clean(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.yaml"
    path.write_text(FILES[name])
    resolved = schema.load(path)
    assert set(resolved.notes) <= NEEDLESS and not resolved.replaced
    shallow = ["MODEL.backbone.depth=2"] if "timesformer" in name else []  # quicker to build, and fits alike
    run.check_all_fit(schema.load(path, shallow).root)


# --- our files of the same names say the same as theirs ---------------------------------------------------------------

OURS = {
    "tsn": "tsn/tsn_k400_frames",
    "tsm": "tsm/tsm_k400_frames",
    "tsm_nhwc": "tsm/tsm_k400_frames_nhwc",
    "pptsn": "pptsn/pptsn_k400_frames",
    "pptsm_dense": "pptsm/pptsm_k400_frames_dense",
    "pptsm_dense_r101": "pptsm/pptsm_k400_frames_dense_r101",
    "timesformer": "timesformer/timesformer_k400_videos",
    "pptimesformer": "pptimesformer/pptimesformer_k400_videos",
}


@pytest.mark.parametrize("name", FILES)
def test_our_configs_have_the_values_of_paddlevideo(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.yaml"
    path.write_text(FILES[name])
    theirs, ours = schema.load(path).data, schema.load(ROOT / f"configs/recognition/{OURS[name]}.yaml").data
    for data in (theirs, ours):
        del data["MODEL"]["backbone"]["pretrained"], data["OPTIMIZER"]["base_batch_size"]
        for split in ("train", "valid", "test"):
            data["PIPELINE"][split]["decode"].pop("backend", None)
    if name == "pptsn":  # theirs is the one for video files here
        theirs["PIPELINE"] = {split: {**part, "decode": None} for split, part in theirs["PIPELINE"].items()}
        ours["PIPELINE"] = {split: {**part, "decode": None} for split, part in ours["PIPELINE"].items()}
    if name == "pptsm_dense_r101":
        theirs["OPTIMIZER"]["learning_rate"]["max_epoch"] = 100
    for section in ("MODEL", "PIPELINE", "OPTIMIZER", "MIX", "PRECISEBN", "GRADIENT_ACCUMULATION", "METRIC"):
        assert ours[section] == theirs[section], section
    assert ours["epochs"] == theirs["epochs"] or name == "pptsm_dense_r101"


# --- frames of a clip -------------------------------------------------------------------------------------------------

PPTIMESFORMER = ROOT / "configs/recognition/pptimesformer/pptimesformer_k400_videos.yaml"
FIVE = [  # PaddleVideo's document for PP-TimeSformer on 16 frames
    "MODEL.backbone.num_seg=16",
    "MODEL.runtime_cfg.test.num_seg=16",
    "MODEL.runtime_cfg.test.avg_type=prob",
    "PIPELINE.test.decode.num_seg=16",
    "PIPELINE.test.sample.num_seg=16",
]


@pytest.mark.parametrize("file", ["ours", "theirs"])
def test_sixteen_frames_by_five_overrides_or_by_one(file: str, tmp_path: Path) -> None:
    path = PPTIMESFORMER
    if file == "theirs":
        path = tmp_path / "theirs.yaml"
        path.write_text(FILES["pptimesformer"])
    five, one = schema.load(path, FIVE), schema.load(path, ["num_seg=16"])
    assert one.data["MODEL"] == five.data["MODEL"]
    assert one.data["PIPELINE"]["test"] == five.data["PIPELINE"]["test"]
    small = ["MODEL.backbone.depth=1", "MODEL.backbone.embed_dim=48", "MODEL.head.in_channels=48"]
    for overrides in (FIVE, ["num_seg=16"]):
        cfg = schema.load(path, overrides + small).root
        assert run.check_fit(cfg, run.build_model(cfg), "test")[:2] == [3, 48]  # 3 views x 16 frames
    cfg = schema.load(path, ["num_seg=16", *small]).root
    run.check_all_fit(cfg)
    assert cfg.PIPELINE.train is not None and run.blank_clip(cfg.PIPELINE.train).array().shape[1] == 16


def test_the_config_for_sixteen_frames_is_the_one_override() -> None:
    file, one = (
        schema.load(PPTIMESFORMER.with_name("pptimesformer_k400_videos_16f.yaml")),
        schema.load(PPTIMESFORMER, ["num_seg=16"]),
    )
    assert {**file.data, "model_name": ""} == {**one.data, "model_name": ""}
    assert file.replaced == one.replaced and len(file.replaced["num_seg"]) == 8
    lines: list[str] = []
    schema.announce(one, lines.append)
    assert len(lines) == 1 and lines[0].startswith(
        "num_seg: 16 replaces what the file says at MODEL.backbone.num_seg, "
    )


def test_num_seg_reaches_models_that_have_a_default() -> None:
    resolved = schema.load(ROOT / "configs/recognition/pptsm/pptsm_k400_frames_dense.yaml", ["num_seg=16"])
    assert resolved.data["MODEL"]["backbone"]["num_seg"] == 16
    assert [resolved.data["PIPELINE"][split]["sample"]["num_seg"] for split in ("train", "valid", "test")] == [16] * 3


@pytest.mark.parametrize("name", ["tsn/tsn_k400_frames_8seg", "pptsn/pptsn_k400_frames_8seg"])
def test_eight_segments_are_for_training_alone(name: str) -> None:
    data = schema.load(ROOT / f"configs/recognition/{name}.yaml").data["PIPELINE"]
    assert [data[split]["sample"]["num_seg"] for split in ("train", "valid", "test")] == [8, 8, 25]


def test_release_2_0_has_relu_and_the_head_of_tsm() -> None:
    for name, classes, batches in (("pptsm_k400", 400, 200), ("pptsm", 101, 80)):
        data = schema.load(ROOT / f"configs/recognition/tsm/{name}.yaml").data
        assert data["MODEL"]["backbone"]["activation"] == "relu" and data["MODEL"]["head"]["name"] == "TSMHead"
        assert (data["MODEL"]["head"]["num_classes"], data["MODEL"]["head"]["ls_eps"]) == (classes, 0.1)
        assert data["PRECISEBN"] == {"preciseBN_interval": 5, "num_iters_preciseBN": batches}
        assert data["OPTIMIZER"]["use_nesterov"] is False and data["OPTIMIZER"]["weight_decay"]["value"] == 2e-4
