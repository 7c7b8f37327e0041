"""Augmentations in config files: the stack that docs/data.md shows, and values that do not fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from paddlevideo.tasks import run, schema
from paddlevideo.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


def test_the_stack_of_the_documentation_trains(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/data.md").read_text(encoding="utf-8"), re.DOTALL)
    (text,) = [block for block in blocks if "RandAugment" in block]
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "strong.yaml").write_text(text)
    pipeline = run.pipeline_of(schema.load(tmp_path / "strong.yaml").root, "train")
    names = ["RandomResizedCrop", "RandomFlip", "RandAugment", "RandomErasing", "Image2Array", "Normalization"]
    assert [type(op).__name__ for op in pipeline.transform] == names
    assert run.blank_clip(pipeline).array().shape == (8, 3, 224, 224)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ColorJitter: {brightness: [0.5, 1.5], hue: 0.1}", None),
        ("ColorJitter: {brightness: [1.5, 0.5]}", "brightness must lie in 0..inf, lower bound first, got (1.5, 0.5)"),
        ("RandomErasing: {mode: pixel}", "mode: expected one of 'const', 'rand', got 'pixel'"),
        ("RandomErasing: {fill_color: [124, 116, 104]}", None),
        ("RandomResizedCrop: {area_range: [0.2]}", "area_range: expected 2 values, got 1: [0.2]"),
        ("RandAugment: {magnitude: 12}", "magnitude lies in 0..10, got 12"),
    ],
)
def test_values_in_a_file(line: str, message: str | None, edited: Callable[[str, str], Path]) -> None:
    config = edited("- Image2Array:\n", f"- {line}\n    - Image2Array:\n")
    if message is None:
        schema.load(config)
    else:
        with pytest.raises(UserError) as caught:
            schema.load(config)
        assert message in str(caught.value) and f"{config}:" in str(caught.value)
