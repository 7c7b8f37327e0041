"""mmaction2's TSM recipes: every number of its table, and its groups of parameters."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from paddlevideo.loader.pipelines.flip import RandomFlip
from paddlevideo.solver.lr import Progress
from paddlevideo.tasks import run, schema
from paddlevideo.tasks.schema import RootSection
from paddlevideo.utils.errors import UserError

FOLDER = Path(__file__).resolve().parents[1] / "configs/recognition/tsm/mmaction2"


class Recipe(NamedTuple):
    """A row of the table: frames of a training, validation and test clip; views of the last; epochs of the steps."""

    frames: tuple[int, int, int]
    views: int
    classes: int
    flip: float
    batch: int
    base: int
    lr: float
    decay: float
    steps: tuple[int, int]
    epochs: int
    val_every: int
    save_every: int


K400 = Recipe((8, 8, 8), 1, 400, 0.5, 8, 64, 0.01, 1e-4, (20, 40), 50, 5, 5)
STH = K400._replace(classes=174, flip=0.0, decay=5e-4, val_every=2, save_every=1)
F16 = {"frames": (16, 16, 16), "batch": 6, "base": 48, "lr": 0.0075}
LONG: dict[str, Any] = {"steps": (40, 80), "epochs": 100, "val_every": 2, "save_every": 1}
TABLE = {
    "tsm_r50_1x1x8_50e_kinetics400_rgb": K400,
    "tsm_r50_video_1x1x8_50e_kinetics400_rgb": K400._replace(lr=0.02),
    "tsm_r50_dense_1x1x8_100e_kinetics400_rgb": K400._replace(frames=(8, 80, 80), views=10, base=256, lr=0.02, **LONG),
    "tsm_r50_1x1x16_50e_kinetics400_rgb": K400._replace(**F16),
    "tsm_r50_1x1x8_50e_sthv1_rgb": STH,
    "tsm_r50_1x1x16_50e_sthv2_rgb": STH._replace(**F16),
    "tsm_r101_1x1x8_50e_sthv2_rgb": STH._replace(lr=0.02),
    "tsm_nl_r50_1x1x8_50e_kinetics400_rgb": K400._replace(save_every=1),
    "tsm_temporal_pool_r50_1x1x8_50e_kinetics400_rgb": K400,
}


def load(stem: str, *overrides: str) -> RootSection:
    return schema.load(FOLDER / f"{stem}.yaml", list(overrides)).root


def test_every_recipe_is_in_the_table() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(TABLE)


@pytest.mark.parametrize(("stem", "recipe"), TABLE.items(), ids=TABLE)
def test_recipe(stem: str, recipe: Recipe) -> None:
    cfg = load(stem)
    clips = [run.blank_clip(run.pipeline_of(cfg, split)) for split in ("train", "valid", "test")]
    (flip,) = [op for op in cfg.PIPELINE.train.transform if isinstance(op, RandomFlip)]  # type: ignore[union-attr]
    solver: Any = cfg.OPTIMIZER
    found = Recipe(
        tuple(len(clip.pixels()) for clip in clips),  # type: ignore[arg-type]
        clips[2].views,
        run.num_classes(cfg),
        flip.p,
        cfg.DATASET.batch_size,
        solver.base_batch_size,
        solver.lr(Progress(0, 0, 1)),
        solver.weight_decay.value,
        tuple(solver.learning_rate.milestones),
        cfg.epochs,
        cfg.val_interval,
        cfg.save_interval,
    )
    assert found == recipe
    first, second = recipe.steps
    rates = [solver.lr(Progress(epoch, 0, 1)) for epoch in (first - 1, first, second - 1, second)]
    assert rates == pytest.approx([recipe.lr, recipe.lr / 10, recipe.lr / 10, recipe.lr / 100])
    assert (solver.momentum, solver.use_nesterov, solver.grad_clip.value) == (0.9, False, 20.0)
    assert {clip.pixels().shape[1:] for clip in clips} == {(224, 224, 3)}
    assert cfg.model_name == stem


@pytest.mark.parametrize("stem", TABLE)
def test_model(stem: str) -> None:
    cfg = load(stem)
    backbone = cfg.MODEL.arguments["backbone"].arguments
    assert (backbone["shift_ratio"], backbone["shift_direction"]) == (0.125, "torch")
    assert backbone["depth"] == (101 if "r101" in stem else 50)
    assert backbone.get("shift_every", 1) == (2 if "r101" in stem else 1)
    assert backbone["num_seg"] == TABLE[stem].frames[0]
    assert backbone.get("temporal_pool", False) == ("temporal_pool" in stem)
    assert sum(map(sum, backbone.get("non_local") or [])) == (5 if "_nl_" in stem else 0)
    head = cfg.MODEL.arguments["head"].arguments
    assert (head["drop_ratio"], head["std"], head["in_channels"]) == (0.5, 0.001, 2048)


@pytest.mark.parametrize(("stem", "pairs"), [("sthv1", {2: 4, 30: 41, 52: 66}), ("sthv2", {86: 87, 93: 94, 166: 167})])
def test_something_something(stem: str, pairs: dict[int, int]) -> None:
    for path in FOLDER.glob(f"*{stem}*.yaml"):
        cfg = load(path.stem, "PIPELINE.train.transform.2.RandomFlip.p=1")
        flip: Any = cfg.PIPELINE.train.transform[2]  # type: ignore[union-attr]
        assert flip.flip_label_map == pairs | {other: label for label, other in pairs.items()} and flip.p == 1
        for split in ("train", "valid", "test"):
            assert getattr(cfg.DATASET, split).arguments["suffix"] == "{:05}.jpg"
        assert cfg.DATASET.labels is None


def test_a_flip_map_of_other_classes_is_told_before_training() -> None:
    small = ["MODEL.backbone.depth=18", "MODEL.head.in_channels=512"]
    cfg = load("tsm_r101_1x1x8_50e_sthv2_rgb", *small, "MODEL.head.num_classes=167")
    with pytest.raises(
        UserError, match=r"PIPELINE.train: RandomFlip.flip_label_map names class 167, but num_classes is"
    ):
        run.check_fit(cfg, run.build_model(cfg), "train")


def test_their_16_frame_files_are_read_with_shifts_in_two_groups() -> None:
    cfg = load("tsm_r50_1x1x16_50e_kinetics400_rgb", "MODEL.backbone.num_seg=8", "MODEL.backbone.depth=18",
               "MODEL.head.in_channels=512")  # fmt: skip
    model = run.build_model(cfg)
    assert run.check_fit(cfg, model, "test") == [16, 3, 224, 224]
    assert model.backbone.num_seg == 8


@pytest.mark.parametrize("stem", ["tsm_r50_1x1x8_50e_sthv1_rgb", "tsm_nl_r50_1x1x8_50e_kinetics400_rgb"])
def test_groups_of_parameters(stem: str) -> None:
    """TSMOptimizerConstructor with fc_lr5: (multiple of the rate, decay; None is the optimizer's)."""
    non_local = ["MODEL.backbone.non_local=[[0, 0], [1, 0], [0, 0], [0, 0]]"] if "_nl_" in stem else []
    model = run.build_model(load(stem, "MODEL.backbone.depth=18", "MODEL.head.in_channels=512", *non_local))
    norms = {id(p) for layer in model.sublayers() if "BatchNorm" in type(layer).__name__ for p in layer.parameters()}
    kinds = set()
    for name, param in model.named_parameters():
        if param.stop_gradient:
            continue
        kind = "norm" if id(param) in norms else "fc" if name.startswith("head.fc") else "conv"
        kind += ".bias" if kind != "norm" and name.endswith("bias") else ""
        decay = None if param.regularizer is None else param.regularizer._coeff
        kinds.add((kind, param.optimize_attr["learning_rate"], decay))
    expected = {("norm", 1.0, 0.0), ("conv", 1.0, None), ("fc", 5.0, None), ("fc.bias", 10.0, 0.0)}
    assert kinds == expected | ({("conv.bias", 2.0, 0.0)} if non_local else set())
