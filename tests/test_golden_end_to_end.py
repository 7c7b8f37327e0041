"""Weights by the fill, real clips, both roads: --test's evaluation, and export + predict. Skipped without the clips."""

import json
from pathlib import Path

import numpy as np
import paddle
import pytest
from golden_fill import GOLDEN, fill

from paddlevideo.tasks import export, predict, run, schema
from paddlevideo.tasks import test as testing
from paddlevideo.tasks.engine import EngineOptions
from paddlevideo.tasks.exported import open_exported

ROOT = Path(__file__).resolve().parents[1]
VIDEOS = ROOT.parent / "shared/videos"
RECORDS = json.loads((GOLDEN / "end_to_end.json").read_text())
CONFIGS = sorted({record["config"] for record in RECORDS})


@pytest.mark.skipif(not VIDEOS.is_dir(), reason="the clips the figures were measured on are not here")
@pytest.mark.parametrize("config", CONFIGS)
def test_both_roads_reach_the_golden_scores(config: str, tmp_path: Path) -> None:
    records = [record for record in RECORDS if record["config"] == config]
    listing = tmp_path / "test.list"
    listing.write_text("".join(f"{VIDEOS / record['video']} 0\n" for record in records))
    resolved = schema.load(
        ROOT / "configs/recognition" / config,
        [
            "MODEL.head.num_classes=16",
            "DATASET.labels=null",
            f"DATASET.test={{format: VideoDataset, file_path: {listing}}}",
            "DATASET.test_batch_size=1",
            f"output_dir={tmp_path / 'output'}",
        ],
    )
    weights = tmp_path / "filled.pdparams"
    shapes = {name: value.shape for name, value in run.build_model(resolved.root).state_dict().items()}
    paddle.save(fill(shapes), str(weights))

    tested = testing.test(resolved, str(weights)).scores
    expected = np.array([record["scores"] for record in records])
    np.testing.assert_allclose(tested, expected, atol=1e-2)
    assert tested.argmax(axis=1).tolist() == [record["top1"] for record in records]

    if tested.size and resolved.root.model_name == "TSN":
        return  # 250 frames a video: the other road takes minutes, and it is the same code
    export.export(resolved, weights, tmp_path / "inference")
    exported = open_exported(tmp_path / "inference", None, None)
    predictor = predict.Predictor(exported, EngineOptions(cpu_threads=2))
    predictions = list(predictor.predict([VIDEOS / record["video"] for record in records], top_k=16))
    for prediction, record, row in zip(predictions, records, tested):
        assert prediction.classes[0] == record["top1"]
        assert prediction.scores[0] == pytest.approx(record["top1_prob"], abs=1e-2)
        chances = np.exp(row - row.max()) / np.exp(row - row.max()).sum()
        np.testing.assert_allclose(prediction.scores, chances[prediction.classes], rtol=1e-4, atol=1e-6)
