"""Process settings that must be made before Paddle is imported, some of them before Python itself starts.

On a CPU, Paddle's own defaults use one thread, take MKL's slow path on AMD processors and return every large buffer to
the system after use; together these cost about a factor of four (README, "Speed on a CPU").
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import warnings
from pathlib import Path

from paddlevideo.utils.errors import UserError

# glibc reads these once, at process start: keep buffers up to 4 GiB in the heap instead of mapping each anew.
MALLOC = "glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592:glibc.malloc.top_pad=268435456"
STARTED = "PADDLEVIDEO_RESTARTED"
# Read by Paddle 3 at import: 0 makes it trace into the older program form, which is saved as .pdmodel.
LEGACY_PROGRAM = "FLAGS_enable_pir_api"


def settings(cpu_threads: int | None = None, legacy_program: bool = False) -> dict[str, str]:
    """The variables to set. What the user has set already wins, except over an explicit `cpu_threads`.

    Args:
        cpu_threads: threads for the math libraries; None means all cores, shared by the ranks on this machine.
        legacy_program: let Paddle 3 write the older .pdmodel programs (Paddle reads the switch at import).
    """
    count = str(cpu_threads or os.environ.get("OMP_NUM_THREADS") or cores_of_rank())
    chosen = {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "GLOG_minloglevel": "2"}
    if "AuthenticAMD" in _cpu_info():
        chosen["MKL_DEBUG_CPU_TYPE"] = "5"
    if sys.platform == "linux":
        chosen["GLIBC_TUNABLES"] = MALLOC
    if cpu_threads is None:
        chosen |= {name: os.environ[name] for name in chosen if name in os.environ}
    return chosen | ({LEGACY_PROGRAM: "0"} if legacy_program else {})


def prepare(cpu_threads: int | None = None, legacy_program: bool = False, restart: bool = False) -> None:
    """Makes the settings. With `restart`, starts this very command again once, for those read at process start.

    Only an entry point that owns its process may ask for `restart`: the process is replaced.
    """
    assert "paddle" not in sys.modules, "Paddle has read its settings already"
    chosen = settings(cpu_threads, legacy_program)
    late = os.environ.get("GLIBC_TUNABLES") != chosen.get("GLIBC_TUNABLES")
    os.environ.update(chosen)
    if restart and late and not os.environ.get(STARTED):
        os.environ[STARTED] = "1"
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def import_paddle() -> None:
    """Imports Paddle without its remarks about settings that were made on purpose.

    Raises:
        UserError: Paddle is not installed.
    """
    warnings.filterwarnings("ignore", message="No ccache found")
    warnings.filterwarnings("ignore", message="Tensor do not have 'place' interface")
    warnings.filterwarnings("ignore", message="When training, we now always track global mean and variance")
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            importlib.import_module("paddle")
    except ImportError as error:
        raise UserError(
            f"PaddlePaddle cannot be imported ({error}); pip install 'paddlevideo[cpu]', or 'paddlevideo[gpu]' for CUDA"
        ) from error
    finally:
        print("".join(line for line in said.getvalue().splitlines(True) if "OMP_NUM_THREADS" not in line), end="")


def describe() -> str:
    """One line saying what was set."""
    parts = [f"{os.environ.get('OMP_NUM_THREADS', '?')} of {cores()} cores"]
    parts += ["MKL's AMD path"] if os.environ.get("MKL_DEBUG_CPU_TYPE") == "5" else []
    parts += ["large buffers kept"] if os.environ.get("GLIBC_TUNABLES") == MALLOC else []
    return "CPU settings: " + ", ".join(parts)


def python_environment() -> dict[str, str]:
    """The environment for a child Python that imports this package, installed or not."""
    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}


def has_bfloat16() -> bool:
    """Whether the processor has bfloat16 instructions, as far as the system tells."""
    return "avx512_bf16" in _cpu_info() or "amx_bf16" in _cpu_info()


def threads() -> int:
    """Threads of the math libraries, as set."""
    return int(os.environ.get("OMP_NUM_THREADS", cores()))


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cores_of_rank() -> int:
    """Processors for each of the ranks on this machine."""
    ranks = int(os.environ.get("PADDLE_LOCAL_SIZE") or os.environ.get("PADDLE_TRAINERS_NUM") or 1)
    return max(1, cores() // ranks)


def _cpu_info() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
