"""Checks of the machine: each takes the facts and says what they mean."""

from __future__ import annotations

from collections.abc import Iterator

from paddlevideo.tasks.doctor import machine
from paddlevideo.tasks.doctor.finding import Finding, error, gigabytes, note, ok, warning
from paddlevideo.tasks.doctor.machine import Machine

OLDEST_PYTHON = (3, 10)
LEAST_MEMORY = 2e9  # bytes; a ResNet-50 TSM alone takes about 1.5 GB to train on small batches
LEAST_SHARED = 1e9  # bytes; NCCL, by which GPUs talk to each other, keeps its buffers in /dev/shm
LEAST_OPEN_FILES = 1024


def check(here: Machine) -> list[Finding]:
    """Everything there is to say about this machine."""
    found: list[Finding] = []
    for part in (python, paddle, numpy_for_paddle, opencv, decoders, gpu):
        found += part(here)
    for part in (cpu_settings, memory, shared_memory, open_files):
        found += part(here)
    return found


def python(here: Machine) -> Iterator[Finding]:
    version = ".".join(map(str, here.python))
    if here.python < OLDEST_PYTHON:
        yield error("Python", f"{version} is too old", "install Python 3.10 or newer")
    else:
        yield ok("Python", f"{version} on {machine.system()}")


def paddle(here: Machine) -> Iterator[Finding]:
    builds = [name for name in ("paddlepaddle", "paddlepaddle-gpu") if name in here.packages]
    said = " and ".join(f"{name} {here.packages[name]}" for name in builds)
    if len(builds) == 2:
        yield error(
            "Paddle",
            f"{said} are both installed, and overwrite each other's files",
            "pip uninstall -y paddlepaddle paddlepaddle-gpu, then install one of them",
        )
    if "paddle" in here.faults:
        why = here.faults["paddle"]
        yield error("Paddle", f"cannot be imported: {why}", "pip install 'paddlevideo[cpu]', or 'paddlevideo[gpu]'")
    elif len(builds) < 2:
        yield ok("Paddle", said or "importable, not installed by pip")


def numpy_for_paddle(here: Machine) -> Iterator[Finding]:
    """Paddle 2.6 with numpy 2 imports and trains, and dies in `jit.save` with a segmentation fault (we tried 2.6.2)."""
    numpy = here.packages.get("numpy", "")
    if "numpy" in here.faults:
        yield error("numpy", f"cannot be imported: {here.faults['numpy']}", "pip install --force-reinstall numpy")
        return
    old = [v for k, v in here.packages.items() if k.startswith("paddlepaddle") and int(v.split(".")[0]) < 3]
    if old and int(numpy.split(".")[0] or 0) >= 2:
        yield error("numpy", f"with {numpy}, Paddle {old[0]} crashes when it exports a model", "pip install 'numpy<2'")
    else:
        yield ok("numpy", numpy)


def opencv(here: Machine) -> Iterator[Finding]:
    builds = [name for name in here.packages if name.startswith("opencv-")]
    said = " and ".join(f"{name} {here.packages[name]}" for name in builds)
    if len(builds) > 1:
        yield warning(
            "OpenCV",
            f"{said} are all installed, and overwrite each other's files",
            f"pip uninstall -y {' '.join(builds)}, then pip install opencv-python-headless",
        )
    if "cv2" in here.faults:
        yield error("OpenCV", f"cannot be imported: {here.faults['cv2']}", "pip install opencv-python-headless")
    elif len(builds) <= 1:
        yield ok("OpenCV", said or "importable, not installed by pip")


def decoders(here: Machine) -> Iterator[Finding]:
    for module, name, package in (("av", "PyAV", "av"), ("PIL", "Pillow", "pillow")):
        if module in here.faults:
            fix = f"pip install --force-reinstall {package}"
            yield error(name, f"cannot be imported: {here.faults[module]}", fix)
        else:
            yield ok(name, here.packages.get(package, "importable, not installed by pip"))
    if "decord" in here.packages:
        yield ok("decord", here.packages["decord"])
    else:
        yield note("decord", "not installed; where a config asks for it, PyAV reads the same frames")


def gpu(here: Machine) -> Iterator[Finding]:
    if here.gpus:
        yield ok("GPU", ", ".join(here.gpus))
    elif "paddle" in here.faults:
        return
    elif here.cuda:
        fix = "see whether nvidia-smi works and CUDA_VISIBLE_DEVICES is empty; or install paddlepaddle for the CPU"
        yield warning("GPU", "Paddle is built for GPUs but sees none, so it runs on the CPU", fix)
    elif here.driver:
        fix = "pip uninstall -y paddlepaddle; pip install 'paddlevideo[gpu]'"
        yield warning("GPU", "there is an NVIDIA driver, but this Paddle is built for the CPU", fix)
    else:
        yield note("GPU", "none, and Paddle is built for the CPU")


def cpu_settings(here: Machine) -> Iterator[Finding]:
    """The variables that `environment.prepare` sets; what the user has set himself wins, for better or worse."""
    threads = int(here.settings.get("OMP_NUM_THREADS", here.cores))
    if threads < here.cores and not here.gpus:
        fix = "unset OMP_NUM_THREADS, or use --cpu_threads"
        yield warning("CPU", f"OMP_NUM_THREADS={threads}: of {here.cores} cores so many compute", fix)
    elif threads > here.cores:
        fix = "unset OMP_NUM_THREADS"
        yield warning("CPU", f"OMP_NUM_THREADS={threads}, but there are {here.cores} cores", fix)
    else:
        yield ok("CPU", f"{threads} threads on {here.cores} cores")
    effects = {
        "MKL_DEBUG_CPU_TYPE": "MKL takes its slow path on this AMD processor",
        "GLIBC_TUNABLES": "large buffers go back to the system after every use, and are made anew for the next",
    }
    for name, effect in effects.items():
        if here.settings.get(name) != here.wanted.get(name):
            yield warning("CPU", f"{name}={here.settings.get(name, '')}: {effect}", f"unset {name}")


def memory(here: Machine) -> Iterator[Finding]:
    if here.memory is None:
        return
    if here.memory < LEAST_MEMORY:
        fix = "end other programs, or use a smaller batch_size and fewer num_workers"
        yield warning("memory", f"{gigabytes(here.memory)} are free", fix)
    else:
        yield ok("memory", f"{gigabytes(here.memory)} are free")


def shared_memory(here: Machine) -> Iterator[Finding]:
    """The loader does without /dev/shm; several GPUs do not."""
    if here.shared_memory is None:
        return
    said = f"{gigabytes(here.shared_memory)} are free"
    if len(here.gpus) > 1 and here.shared_memory < LEAST_SHARED:
        fix = "docker run --shm-size=8g, or --ipc=host"
        yield warning("/dev/shm", f"{said}, which may be too little for {len(here.gpus)} GPUs", fix)
    else:
        yield ok("/dev/shm", said)


def open_files(here: Machine) -> Iterator[Finding]:
    if here.open_files is not None and here.open_files < LEAST_OPEN_FILES:
        yield warning("open files", f"ulimit -n is {here.open_files}; many workers need more", "ulimit -n 4096")
