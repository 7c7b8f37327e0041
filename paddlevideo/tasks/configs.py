"""The folder of config files that comes with the program, and telling the networks in it apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paddlevideo.utils.errors import UserError

# What changes neither shapes nor arithmetic.
TRAINING_ONLY = (
    *("pretrained", "std", "ls_eps", "recompute", "lr_mult_list", "fclr5"),
    *("drop_ratio", "drop_rate", "attn_drop_rate", "drop_path_rate"),
)


def default_folder() -> Path:
    """./configs, or the configs beside main.py when run from elsewhere."""
    here = Path("configs")
    return here if here.is_dir() else Path(__file__).resolve().parents[2] / "configs"


def find(folder: Path, wanted: str = "") -> list[Path]:
    """The config files below a folder whose path contains `wanted`. Raises UserError when there are none."""
    paths = sorted(path for path in folder.rglob("*.yaml") if wanted.lower() in path.as_posix().lower())
    if not paths:
        what = f"no config whose path contains '{wanted}'" if wanted else "no configs"
        raise UserError(f"{folder}: {what}; --configs names another folder")
    return paths


def network(section: dict[str, Any]) -> dict[str, Any]:
    """MODEL without what concerns training alone."""
    return {
        key: network(value) if isinstance(value, dict) else value
        for key, value in section.items()
        if key not in TRAINING_ONLY
    }
