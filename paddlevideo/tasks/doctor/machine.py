"""The facts about this machine and Python that the checks judge. Nothing here needs Paddle."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from paddlevideo.utils import environment
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.free_memory import free_memory

PACKAGES = (
    *("paddlepaddle", "paddlepaddle-gpu", "numpy", "av", "decord", "pillow", "pyyaml", "tqdm", "safetensors"),
    *("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
)
SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Machine:
    """What was found here.

    Attributes:
        python: version numbers.
        packages: distribution -> version, of those in PACKAGES that are installed.
        faults: module -> why it cannot be imported.
        cuda: Paddle is built for GPUs.
        gpus: names of those Paddle sees.
        driver: an NVIDIA driver is there, whether Paddle can use it or not.
        cores: processors this process may use.
        settings: environment variables in effect.
        wanted: the values that are best here.
        memory: bytes this process may take, see `free_memory`; None if unknown.
        shared_memory: free bytes in /dev/shm; None where there is none.
        memory_files: the system has them (memfd).
        open_files: how many a process may have open; None where that is not limited.
    """

    python: tuple[int, int, int]
    packages: dict[str, str]
    faults: dict[str, str] = field(default_factory=dict)
    cuda: bool = False
    gpus: tuple[str, ...] = ()
    driver: bool = False
    cores: int = 1
    settings: dict[str, str] = field(default_factory=dict)
    wanted: dict[str, str] = field(default_factory=dict)
    memory: int | None = None
    shared_memory: int | None = None
    memory_files: bool = True
    open_files: int | None = None


def look() -> Machine:
    """This machine. Imports Paddle, if it can be."""
    cuda, gpus, faults = _paddle()
    wanted = environment.settings(environment.cores())  # naming the threads, it does not ask what is set already
    return Machine(
        python=sys.version_info[:3],
        packages=_versions(),
        faults={**faults, **_import_faults(("numpy", "cv2", "av", "PIL"))},
        cuda=cuda,
        gpus=gpus,
        driver=shutil.which("nvidia-smi") is not None or Path("/dev/nvidia0").exists(),
        cores=environment.cores(),
        settings={name: os.environ[name] for name in wanted if name in os.environ},
        wanted=wanted,
        memory=free_memory(),
        shared_memory=shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else None,
        memory_files=hasattr(os, "memfd_create"),
        open_files=_open_files(),
    )


def system() -> str:
    """The operating system in words."""
    return f"{platform.system()} {platform.release()}, {platform.machine()}"


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _import_faults(modules: tuple[str, ...]) -> dict[str, str]:
    faults = {}
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:  # a broken library raises anything
            faults[name] = " ".join(str(error).split())
    return faults


def _paddle() -> tuple[bool, tuple[str, ...], dict[str, str]]:
    """Whether Paddle is built for GPUs, their names, and why it cannot be imported."""
    try:
        environment.import_paddle()
        import paddle

        cuda = paddle.is_compiled_with_cuda()
        count = paddle.device.cuda.device_count() if cuda else 0
        return cuda, tuple(paddle.device.cuda.get_device_name(i) for i in range(count)), {}
    except UserError as error:
        return False, (), {"paddle": str(error.__cause__ or error)}
    except Exception as error:  # a broken library raises anything
        return False, (), {"paddle": " ".join(str(error).split())}


def _open_files() -> int | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
