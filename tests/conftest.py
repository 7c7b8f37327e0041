"""What many tests share. The process settings come first: Paddle reads them when it is imported."""

from paddlevideo.utils import environment

environment.prepare()

from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

import make_demo  # noqa: E402
import pytest  # noqa: E402
from tiny import TINY  # noqa: E402


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
