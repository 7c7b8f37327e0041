"""Weights by the fill, real clips, both roads: --test's evaluation, and export + predict. Skipped without the clips."""

import json
from pathlib import Path

import numpy as np
import paddle
import pytest
from golden_fill import GOLDEN, fill

from paddlevideo.config import Resolved
from paddlevideo.tasks import export, predict, run, schema
from paddlevideo.tasks import test as testing
from paddlevideo.tasks.engine import EngineOptions
from paddlevideo.tasks.exported import open_exported

ROOT = Path(__file__).resolve().parents[1]
VIDEOS = ROOT.parent / "shared/videos"
RECORDS = json.loads((GOLDEN / "end_to_end.json").read_text())
CONFIGS = sorted({record["config"] for record in RECORDS})


# A video is 250 frames for TSN and 3 views through a ViT-B for TimeSformer: those take one clip and the first road. The
# second is the same code for all, and small models of every kind walk it in tests/tasks. All large ones but
# one are left to `make test-slow`: half a minute or more each, and their models and pipelines have golden tests too.
EXPORTED = ["tsm/tsm_k400_videos.yaml", "pptsm/pptsm_k400_videos_uniform.yaml"]


def filled(config: str, folder: Path) -> tuple[Resolved[schema.RootSection], Path, list[dict]]:
    """The config on the clips of its records, and weights filled by their names."""
    records = [record for record in RECORDS if record["config"] == config]
    records = records if config in EXPORTED else records[-1:]
    listing = folder / "test.list"
    listing.write_text("".join(f"{VIDEOS / record['video']} 0\n" for record in records))
    resolved = schema.load(
        ROOT / "configs/recognition" / config,
        [
            "MODEL.head.num_classes=16",
            "DATASET.labels=null",
            f"DATASET.test={{format: VideoDataset, file_path: {listing}}}",
            "DATASET.test_batch_size=1",
            f"output_dir={folder / 'output'}",
        ],
    )
    weights = folder / "filled.pdparams"
    shapes = {name: value.shape for name, value in run.build_model(resolved.root).state_dict().items()}
    paddle.save(fill(shapes), str(weights))
    return resolved, weights, records


QUICK = [*EXPORTED, "timesformer/timesformer_k400_videos.yaml"]
EACH = [config if config in QUICK else pytest.param(config, marks=pytest.mark.slow) for config in CONFIGS]


@pytest.mark.skipif(not VIDEOS.is_dir(), reason="the clips the figures were measured on are not here")
@pytest.mark.parametrize("config", EACH)
def test_both_roads_reach_the_golden_scores(config: str, tmp_path: Path) -> None:
    resolved, weights, records = filled(config, tmp_path)
    tested = testing.test(resolved, str(weights)).scores
    expected = np.array([record["scores"] for record in records])
    np.testing.assert_allclose(tested, expected, atol=1e-2)
    assert tested.argmax(axis=1).tolist() == [record["top1"] for record in records]
    if config not in EXPORTED:
        return
    export.export(resolved, weights, tmp_path / "inference")
    exported = open_exported(tmp_path / "inference", None, None, EngineOptions(cpu_threads=2))
    predictor = predict.Predictor(exported)
    predictions = list(predictor.predict([VIDEOS / record["video"] for record in records], top_k=16))
    for prediction, record, row in zip(predictions, records, tested):
        assert prediction.classes[0] == record["top1"]
        assert prediction.scores[0] == pytest.approx(record["top1_prob"], abs=1e-2)
        chances = np.exp(row - row.max()) / np.exp(row - row.max()).sum()
        np.testing.assert_allclose(prediction.scores, chances[prediction.classes], rtol=1e-4, atol=1e-6)
