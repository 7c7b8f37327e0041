"""What distillation is for, in small: of few clips a student learns more from a trained teacher than by itself."""

from __future__ import annotations

from pathlib import Path

import make_demo
import numpy as np
import pytest

from paddlevideo.tasks import schema, train
from paddlevideo.tasks import test as testing
from paddlevideo.tasks.start import TrainOptions
from paddlevideo.utils import log

ROOT = Path(__file__).resolve().parents[1]
CLASSES = 4  # moving right, left, down, up
FEW = 96  # clips that the student has; the teacher has 320
SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of the first four classes: 320 to train on, the first 96 of them in few.list, 200 held out."""
    folder = tmp_path_factory.mktemp("shapes") / "videos"
    make_demo.make_dataset(folder, {"train": 640, "valid": 400}, size=32)
    for split in ("train", "valid"):
        listing = folder / f"{split}.list"
        lines = listing.read_text().splitlines(keepends=True)
        listing.write_text("".join(line for line in lines if int(line.split()[-1]) < CLASSES))
    few = (folder / "train.list").read_text().splitlines(keepends=True)[:FEW]
    (folder / "few.list").write_text("".join(few))
    return folder


def network(channels: list[int]) -> str:
    backbone = f"{{name: ConvNet, channels: {channels}, num_seg: 8, shift_ratio: 0.25}}"
    head = f"{{name: TSNHead, num_classes: {CLASSES}, in_channels: {channels[-1]}, drop_ratio: 0.0, std: 0.125}}"
    return f"backbone: {backbone}, head: {head}"


def trained(model: str, clips: str, epochs: int, seed: int, shapes: Path, output: Path) -> tuple[Path, float]:
    """Trains a model, and returns its last checkpoint and that one's top-1 on the held-out clips."""
    overrides = [f"MODEL={{{model}}}", f"output_dir={output}", "DATASET.labels=null", "log_interval=1000"]
    overrides += [f"{key}={epochs}" for key in ("epochs", "save_interval", "OPTIMIZER.learning_rate.max_epoch")]
    for split, listing, crop in (("train", clips, "RandomCrop"), ("test", "valid", "CenterCrop")):
        overrides += [f"DATASET.{split}.file_path={shapes}/{listing}.list", f"DATASET.{split}.data_prefix={shapes}"]
        overrides += [f"PIPELINE.{split}.transform.0.Scale.short_size=18"]
        overrides += [f"PIPELINE.{split}.transform.1.{crop}.target_size=16"]
    log.setup()
    resolved = schema.load(ROOT / "configs/recognition/demo/tsm_demo.yaml", overrides)
    train.train(resolved, TrainOptions(seed=seed))
    file = output / f"TSM_demo_epoch_{epochs:05d}.pdparams"
    return file, testing.test(resolved, str(file)).figures["top1"]


@pytest.mark.slow
def test_a_student_of_a_trained_teacher_beats_the_same_student_alone(shapes: Path, tmp_path: Path) -> None:
    teacher, student = network([32, 64, 128]), network([16, 32, 64])
    whole = f"framework: Recognizer2D, {teacher}"
    weights, top1 = trained(whole, "train", 6, 1234, shapes, tmp_path / "teacher")
    assert top1 > 0.9
    losses = "{name: DistillationCELoss, model_name_pairs: [Student, GroundTruth]}"
    losses += ", {name: DistillationKLLoss, temperature: 4.0, loss_weight: 4.0, model_name_pairs: [Student, Teacher]}"
    models = f"models: [Teacher: {{{teacher}, weights: {weights}}}, Student: {{{student}}}]"
    taught = f"framework: RecognizerDistillation, freeze_params_list: [Teacher], {models}, loss: {{Train: [{losses}]}}"
    figures = np.array(
        [
            [
                trained(model, "few", 16, seed, shapes, tmp_path / f"{kind}{seed}")[1]
                for kind, model in (("alone", f"framework: Recognizer2D, {student}"), ("taught", taught))
            ]
            for seed in SEEDS
        ]
    )
    print(top1, figures.tolist())
    alone, distilled = figures.mean(axis=0)
    assert distilled > alone + 0.02
