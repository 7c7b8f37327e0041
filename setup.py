"""Package metadata. Paddle is an extra, for a machine takes the CPU build or the GPU build of it, never both."""

import re
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = Path(__file__).with_name("paddlevideo") / "__init__.py"

setup(
    name="paddlevideo",
    version=re.search(r'__version__ = "(.+)"', PACKAGE.read_text(encoding="utf-8"))[1],  # type: ignore[index]
    description="Video classification on PaddlePaddle: train, test, export and predict from one YAML file",
    packages=find_packages(include=["paddlevideo", "paddlevideo.*"]),
    python_requires=">=3.10",
    install_requires=[
        "numpy>=1.23",
        "pyyaml>=6.0",
        # opencv-python gives the same module and is as good. pip does not know: where it is installed, leave this one
        # out with `pip install --no-deps -e .` and install the others by name.
        "opencv-python-headless>=4.5.5",
        "av>=17.1",  # the first whose API for packets and conversion is what the reader needs
        "pillow>=10.2",
        "tqdm",
        "safetensors>=0.4",
        # Only where there are wheels; OpenCV reads the same pixels, a little slower.
        "simplejpeg>=1.6; platform_machine in 'x86_64 AMD64 arm64 aarch64'",
        # Only where there are wheels; PyAV reads everything too.
        "decord; sys_platform == 'win32' or (sys_platform == 'linux' and platform_machine == 'x86_64')",
    ],
    extras_require={
        "cpu": ["paddlepaddle>=3.0"],
        # PyPI's newest GPU build is 2.6.2, which crashes on export with numpy 2.
        "gpu": ["paddlepaddle-gpu>=2.6", "numpy<2"],
        "decord": ["decord"],
        "visualdl": ["visualdl"],
        "plot": ["matplotlib>=3.7"],
        "dev": ["ruff", "mypy", "pytest", "pytest-xdist", "hypothesis", "types-PyYAML", "visualdl", "matplotlib>=3.7"],
    },
    entry_points={"console_scripts": ["paddlevideo = paddlevideo.cli.main:main"]},
)
