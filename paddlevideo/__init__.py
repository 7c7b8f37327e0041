"""paddlevideo: video classification on PaddlePaddle, from a YAML file to a served model."""

import zlib  # noqa: F401 - before Paddle: 2.6 brings one of its own, and what then loads Python's crashes

__version__ = "0.1.0"
