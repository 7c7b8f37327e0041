"""Package metadata. Paddle itself is an extra: a machine needs either the CPU or the GPU build of it, never both."""

from pathlib import Path

from setuptools import find_packages, setup

README = Path(__file__).with_name("README.md")

setup(
    name="paddlevideo",
    version="0.1.0",
    description="Video classification on PaddlePaddle: training, testing, export and prediction from one YAML file",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["paddlevideo", "paddlevideo.*"]),
    python_requires=">=3.10",
    install_requires=[
        "numpy",
        "pyyaml",
        # Where opencv-python is installed already, which provides the same module: pip install --no-deps -e . and the
        # rest of this list.
        "opencv-python-headless",
        "av",
        "decord; platform_machine == 'x86_64' and sys_platform == 'linux' or sys_platform == 'win32'",  # has wheels there
        "pillow",
        "tqdm",
    ],
    extras_require={
        "cpu": ["paddlepaddle>=3.0"],
        "gpu": ["paddlepaddle-gpu"],
        "decord": ["decord"],
        "visualdl": ["visualdl"],
        "plot": ["matplotlib"],
        "safetensors": ["safetensors"],
        "dev": ["ruff", "mypy", "pytest", "hypothesis", "types-PyYAML", "types-tqdm"],
    },
    entry_points={"console_scripts": ["paddlevideo = paddlevideo.cli.main:main"]},
)
