"""The beginning of a command: config, device, ranks, log."""

from __future__ import annotations

import paddle

from paddlevideo.config import Resolved
from paddlevideo.tasks import schema
from paddlevideo.tasks.schema import RootSection
from paddlevideo.utils import dist, environment, log
from paddlevideo.utils.log import logger


def begin(
    path: str,
    overrides: list[str],
    use_gpu: bool | None = None,
    deterministic: bool = False,
    log_file: bool = True,
) -> Resolved[RootSection]:
    """Checks the config before anything else, then sets the device up and starts the log."""
    resolved = schema.load(path, overrides)
    device = dist.device(use_gpu)
    dist.start()
    cfg = resolved.root
    log.setup(cfg.output / f"{cfg.model_name}.log" if log_file else None, dist.rank())
    if deterministic and paddle.is_compiled_with_cuda():
        paddle.set_flags({"FLAGS_cudnn_deterministic": True})
    logger.info(f"{path} on {device}, Paddle {paddle.__version__}")
    if device == "CPU":
        logger.info(environment.describe())
    schema.announce(resolved, logger.info)
    return resolved


def start_quietly(use_gpu: bool | None) -> bool:
    """Sets up the console log and the device for a command without a config. Returns whether it is a GPU."""
    log.setup()
    return dist.device(use_gpu).startswith("GPU")
