"""A training with groups of parameters: exact when resumed, told before the first step when a group is for nothing."""

from pathlib import Path

import numpy as np
import pytest

from paddlevideo.modeling import weights
from paddlevideo.tasks import schema, train
from paddlevideo.tasks.start import TrainOptions
from paddlevideo.utils.errors import UserError

GROUPS = "[{match: head.*, lr_mult: 2.0, weight_decay: 0.5}, {match: '*_batch_norm*', weight_decay: 0}]"


def run(config: Path, output: Path, *overrides: str, groups: str = GROUPS, resume: str | None = None) -> None:
    optimizer = f"OPTIMIZER={{name: AdamW, learning_rate: 0.01, weight_decay: 0.05, groups: {groups}}}"
    train.train(schema.load(config, [optimizer, f"output_dir={output}", *overrides]), TrainOptions(resume=resume))


def state(prefix: Path) -> dict[str, np.ndarray]:
    return {**weights.read_state(Path(f"{prefix}.pdparams")), **weights.read_pickle(f"{prefix}.pdopt")["optimizer"]}


def test_a_resumed_run_is_the_same_run(tiny: Path, tmp_path: Path) -> None:
    run(tiny, tmp_path / "whole")
    run(tiny, tmp_path / "parts", "epochs=1")
    run(tiny, tmp_path / "parts", resume="auto")
    whole, parts = (state(tmp_path / name / "Tiny_epoch_00002") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys() and all(np.array_equal(whole[name], parts[name]) for name in whole)
    run(tiny, tmp_path / "other", groups="[]")
    other = state(tmp_path / "other/Tiny_epoch_00002")
    assert not np.array_equal(whole["head.fc.weight"], other["head.fc.weight"])


def test_a_group_for_nothing(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"OPTIMIZER.groups.0: 'haed.\*' matches no trained parameter; did you mean"):
        run(tiny, tmp_path / "none", groups="[{match: haed.*, lr_mult: 2.0}]")
