"""Where Paddle versions differ."""

from __future__ import annotations

import os

import paddle

# Read by Paddle 3 at import: 0 makes it trace into the older program form, which is saved as .pdmodel.
LEGACY_PROGRAM = "FLAGS_enable_pir_api"


def pdmodel_is_native() -> bool:
    """Whether .pdmodel is this Paddle's own form (2.x). Paddle 3 writes .json unless told otherwise at import."""
    return int(paddle.__version__.split(".")[0]) < 3


def writes_pdmodel() -> bool:
    """Whether this process writes .pdmodel programs."""
    return pdmodel_is_native() or os.environ.get(LEGACY_PROGRAM) == "0"
