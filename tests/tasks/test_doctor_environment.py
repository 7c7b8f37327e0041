"""The checks of the machine, on machines made up for them."""

from dataclasses import replace

import pytest

from paddlevideo.tasks.doctor import environment, machine, report
from paddlevideo.tasks.doctor.finding import Finding, gigabytes, lasting, named, plural
from paddlevideo.tasks.doctor.machine import Machine
from paddlevideo.utils.environment import MALLOC

TUNED = {"OMP_NUM_THREADS": "4", "MKL_DEBUG_CPU_TYPE": "5", "GLIBC_TUNABLES": MALLOC}
PACKAGES = {"paddlepaddle": "3.3.1", "numpy": "2.4.6", "av": "18.1.0", "decord": "0.6.0", "pillow": "13.0.0"}
SOUND = Machine(
    python=(3, 11, 7),
    packages={**PACKAGES, "opencv-python-headless": "5.0.0"},
    cores=4,
    settings=TUNED,
    wanted=TUNED,
    memory=16 * 10**9,
    shared_memory=10**9,
    open_files=20000,
)


def packages(**changes: str | None) -> dict[str, str]:
    """Those of the sound machine, with others; None takes one out."""
    new = {**SOUND.packages, **{name.replace("_", "-"): version for name, version in changes.items()}}
    return {name: version for name, version in new.items() if version is not None}


CASES = {
    "old Python": (
        {"python": (3, 9, 2)},
        Finding("error", "Python", "3.9.2 is too old", "install Python 3.10 or newer"),
    ),
    "two Paddles": (
        {"packages": packages(paddlepaddle_gpu="2.6.2", numpy="1.26.4")},
        Finding(
            "error",
            "Paddle",
            "paddlepaddle 3.3.1 and paddlepaddle-gpu 2.6.2 are both installed, and overwrite each other's files",
            "pip uninstall -y paddlepaddle paddlepaddle-gpu, then install one of them",
        ),
    ),
    "no Paddle": (
        {"faults": {"paddle": "No module named 'paddle'"}, "packages": packages(paddlepaddle=None)},
        Finding(
            "error",
            "Paddle",
            "cannot be imported: No module named 'paddle'",
            "pip install 'paddlevideo[cpu]', or 'paddlevideo[gpu]'",
        ),
    ),
    "Paddle 2.6 with numpy 2": (
        {"packages": packages(paddlepaddle="2.6.2")},
        Finding(
            "error",
            "numpy",
            "with 2.4.6, Paddle 2.6.2 crashes when it exports a model",
            "pip install 'numpy<2'",
        ),
    ),
    "two OpenCVs": (
        {"packages": packages(opencv_python="4.9.0")},
        Finding(
            "warning",
            "OpenCV",
            "opencv-python-headless 5.0.0 and opencv-python 4.9.0 are all installed, and overwrite each other's files",
            "pip uninstall -y opencv-python-headless opencv-python, then pip install opencv-python-headless",
        ),
    ),
    "broken OpenCV": (
        {"faults": {"cv2": "libGL.so.1: cannot open"}},
        Finding("error", "OpenCV", "cannot be imported: libGL.so.1: cannot open", "pip install opencv-python-headless"),
    ),
    "broken PyAV": (
        {"faults": {"av": "no library"}},
        Finding("error", "PyAV", "cannot be imported: no library", "pip install --force-reinstall av"),
    ),
    "no decord": (
        {"packages": packages(decord=None)},
        Finding("note", "decord", "not installed; where a config asks for it, PyAV reads the same frames"),
    ),
    "CUDA without a GPU": (
        {"cuda": True},
        Finding(
            "warning",
            "GPU",
            "Paddle is built for GPUs but sees none, so it runs on the CPU",
            "see whether nvidia-smi works and CUDA_VISIBLE_DEVICES is empty; or install paddlepaddle for the CPU",
        ),
    ),
    "a GPU for nothing": (
        {"driver": True},
        Finding(
            "warning",
            "GPU",
            "there is an NVIDIA driver, but this Paddle is built for the CPU",
            "pip uninstall -y paddlepaddle; pip install 'paddlevideo[gpu]'",
        ),
    ),
    "one thread": (
        {"settings": {**TUNED, "OMP_NUM_THREADS": "1"}},
        Finding(
            "warning",
            "CPU",
            "OMP_NUM_THREADS=1: of 4 cores so many compute",
            "unset OMP_NUM_THREADS, or use --cpu_threads",
        ),
    ),
    "too many threads": (
        {"settings": {**TUNED, "OMP_NUM_THREADS": "64"}},
        Finding("warning", "CPU", "OMP_NUM_THREADS=64, but there are 4 cores", "unset OMP_NUM_THREADS"),
    ),
    "slow on AMD": (
        {"settings": {**TUNED, "MKL_DEBUG_CPU_TYPE": "0"}},
        Finding(
            "warning",
            "CPU",
            "MKL_DEBUG_CPU_TYPE=0: MKL takes its slow path on this AMD processor",
            "unset MKL_DEBUG_CPU_TYPE",
        ),
    ),
    "little memory": (
        {"memory": 10**9},
        Finding(
            "warning",
            "memory",
            "1.0 GB are free",
            "end other programs, or use a smaller batch_size and fewer num_workers",
        ),
    ),
    "a container's /dev/shm": (
        {"shared_memory": 64 * 10**6, "gpus": ("A", "B"), "cuda": True},
        Finding(
            "warning",
            "/dev/shm",
            "64.0 MB are free, which may be too little for 2 GPUs",
            "docker run --shm-size=8g, or --ipc=host",
        ),
    ),
    "few open files": (
        {"open_files": 256},
        Finding("warning", "open files", "ulimit -n is 256; many workers need more", "ulimit -n 4096"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_found_and_nothing_else(case: str) -> None:
    changes, expected = CASES[case]
    found = [item for item in environment.check(replace(SOUND, **changes)) if item.fix or item == expected]
    assert found == [expected]


def test_a_sound_machine_has_nothing_to_mend() -> None:
    found = environment.check(SOUND)
    assert {item.level for item in found} == {"ok", "note"} and not any(item.fix for item in found)
    assert [item.what for item in found if item.where == "GPU"] == ["none, and Paddle is built for the CPU"]
    assert [item.what for item in found if item.where == "CPU"] == ["4 threads on 4 cores"]


def test_what_is_unknown_is_not_judged() -> None:
    unknown = environment.check(replace(SOUND, memory=None, shared_memory=None, open_files=None))
    assert not {"memory", "/dev/shm", "open files"} & {item.where for item in unknown}


def test_this_machine() -> None:
    here = machine.look()
    assert not here.faults and here.cores >= 1 and {"numpy", "av"} <= set(here.packages)
    assert here.memory is None or here.memory > 0
    assert here.wanted["OMP_NUM_THREADS"] == str(here.cores)


def test_lines_are_aligned_and_counted() -> None:
    found = [
        Finding("ok", "A", "is there"),
        Finding("error", "longer", "is\nnot there", "put it there"),
        Finding("warning", "A", "is odd", "look"),
        Finding("error", "A", "is wrong", "mend it"),
    ]
    assert report.lines("group", found) == [
        "group",
        "  ok       A       is there",
        "  error    longer  is not there -> put it there",
        "  warning  A       is odd -> look",
        "  error    A       is wrong -> mend it",
    ]
    assert report.summary(found) == "2 errors, 1 warning"
    assert report.summary(found[:1]) == "no errors, no warnings"
    assert report.plain({"group": found})["findings"][2] == {
        "group": "group",
        "level": "warning",
        "where": "A",
        "what": "is odd",
        "fix": "look",
    }


def test_words() -> None:
    assert named("abcdefg") == "a, b, c, d, e and 2 more" and named("ab") == "a, b"
    assert [plural(n, "file") for n in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
    assert [gigabytes(n) for n in (999, 1500, 2.5e6, 3e9)] == ["999 bytes", "1.5 kB", "2.5 MB", "3.0 GB"]
    assert [lasting(s) for s in (0.00123, 0.5, 59, 90, 5400, 1e6)] == [
        "1.2 ms",
        "500 ms",
        "59 s",
        "1.5 min",
        "1.5 h",
        "280 h",
    ]
