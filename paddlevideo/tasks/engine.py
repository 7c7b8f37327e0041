"""Running an exported program: Paddle Inference on a GPU, or on the CPU with oneDNN where that is safe.

Paddle's oneDNN passes crash the process on some programs (a native fault, which no `except` catches). So a setting is
first tried in a child process; when the child dies, the plain setting is used, and that is said aloud.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from paddlevideo.utils import environment
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger

PROBE_SECONDS = 600
CONVOLUTIONS = ("conv2d", "fused_conv2d")  # most of the arithmetic, and the safest in bfloat16


@dataclass(frozen=True)
class EngineOptions:
    """How to run a program.

    Attributes:
        onednn: oneDNN kernels on the CPU; None means where they are safe.
        precision: fp32; bf16 on the CPU through oneDNN; fp16 and int8 through TensorRT.
        cpu_threads: None means what the environment was set to.
        gpu_mem: MB the GPU memory pool starts with.
        bf16_ops: operations that bfloat16 is limited to; empty means all that oneDNN has in bfloat16.
        max_frames: largest leading dimension a TensorRT engine must take (clips x frames).
    """

    use_gpu: bool = False
    onednn: bool | None = None
    precision: Literal["fp32", "bf16", "fp16", "int8"] = "fp32"
    cpu_threads: int = 1
    ir_optim: bool = True
    use_tensorrt: bool = False
    gpu_mem: int = 8000
    max_frames: int = 1
    bf16_ops: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.use_tensorrt and not self.use_gpu:
            raise UserError("--use_tensorrt=True needs a GPU; leave it out on the CPU")
        if self.precision == "bf16" and (self.use_gpu or self.onednn is False):
            raise UserError("--precision bf16 runs on the CPU through oneDNN; use fp16 with TensorRT on a GPU")
        if self.precision in ("fp16", "int8") and not self.use_tensorrt:
            raise UserError(f"--precision {self.precision} needs --use_tensorrt=True (on the CPU: --precision bf16)")


class Engine:
    """A loaded program: `engine(imgs)` gives the scores.

    Args:
        model_file: .pdmodel or .json.
        params_file: .pdiparams.
    Raises:
        UserError: a file is missing or is not a program.
    """

    def __init__(self, model_file: Path, params_file: Path, options: EngineOptions) -> None:
        from paddle import inference

        for file in (model_file, params_file):
            if not file.is_file():
                raise UserError(f"{file}: there is no such file; export a model first (tools/export_model.py)")
        config = inference.Config(str(model_file), str(params_file))
        config.disable_glog_info()
        config.switch_ir_optim(options.ir_optim)
        if model_file.suffix == ".pdmodel":
            # Otherwise all intermediate results are kept to the end: 15 GB, not 1.4, for 64 frames of a ResNet-50.
            # Programs in .json form free them by themselves, and fail with this on.
            config.enable_memory_optim()
        _configure(config, options)
        try:
            self._predictor = inference.create_predictor(config)
        except (RuntimeError, ValueError, OSError) as error:
            first = next((line for line in str(error).splitlines() if "Error" in line), str(error).strip())
            raise UserError(f"{model_file}: Paddle cannot load this program: {first}") from error
        self._input = self._predictor.get_input_handle(self._predictor.get_input_names()[0])
        self._output = self._predictor.get_output_names()[0]
        self._has_run = False

    def __call__(self, imgs: np.ndarray) -> np.ndarray:
        """Scores [N, K] of a float32 batch [N, ...]; N may differ from call to call."""
        self._input.copy_from_cpu(np.ascontiguousarray(imgs, "float32"))
        with contextlib.nullcontext() if self._has_run else _silence():
            self._predictor.run()
        self._has_run = True
        return self._predictor.get_output_handle(self._output).copy_to_cpu()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keeps off the standard output, which is for results, what Paddle prints when it first runs oneDNN's kernels."""
    sys.stdout.flush()
    own = os.dup(1)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            yield
    finally:
        os.dup2(own, 1)
        os.close(own)


def _configure(config: Any, options: EngineOptions) -> None:
    from paddle.inference import PrecisionType

    if options.use_gpu:
        config.enable_use_gpu(options.gpu_mem, 0)
        if options.use_tensorrt:
            kinds = {"fp32": PrecisionType.Float32, "fp16": PrecisionType.Half, "int8": PrecisionType.Int8}
            config.enable_tensorrt_engine(
                workspace_size=1 << 30,
                precision_mode=kinds[options.precision],
                max_batch_size=options.max_frames,
                min_subgraph_size=3,
                use_calib_mode=False,
            )
        return
    config.disable_gpu()
    config.set_cpu_math_library_num_threads(options.cpu_threads)
    if options.onednn is False:
        config.disable_mkldnn()
        return
    config.enable_mkldnn()
    if options.precision == "bf16":
        config.enable_mkldnn_bfloat16()
        if options.bf16_ops:
            config.set_bfloat16_op(set(options.bf16_ops))


def safe_options(model_file: Path, params_file: Path, options: EngineOptions, shape: Sequence[int]) -> EngineOptions:
    """Settles `onednn`: on where a child process runs the program with it and lives, off otherwise.

    Args:
        shape: a batch to try, [N, ...].
    Raises:
        UserError: bfloat16 was asked for and crashes; there is no safe setting that gives it.
    """
    if options.use_gpu or options.onednn is False:
        return options
    if options.precision == "bf16":
        return _safe_bfloat16(model_file, params_file, options, shape)
    tried = replace(options, onednn=True)
    trouble = _trouble(model_file, params_file, tried, shape)
    if trouble is None:
        return tried
    logger.info(f"{model_file.name}: oneDNN fails on this program with this Paddle ({trouble}); running without it")
    return replace(options, onednn=False)


def _safe_bfloat16(model_file: Path, params_file: Path, options: EngineOptions, shape: Sequence[int]) -> EngineOptions:
    """All operations in bfloat16 where that runs, else the convolutions alone, which is said."""
    if not environment.has_bfloat16():
        # oneDNN would fail, or quietly compute in float32.
        raise UserError("--precision bf16: this processor has no bfloat16 instructions (avx512_bf16); use fp32")
    for bf16_ops in ((), CONVOLUTIONS):
        tried = replace(options, onednn=True, bf16_ops=bf16_ops)
        trouble = _trouble(model_file, params_file, tried, shape)
        if trouble is None:
            logger.info(
                "bfloat16 for the convolutions alone" if bf16_ops else "bfloat16 for all operations that have it"
            )
            return tried
    raise UserError(f"{model_file}: bfloat16 fails on this program ({trouble}); use --precision fp32")


def _trouble(model_file: Path, params_file: Path, options: EngineOptions, shape: Sequence[int]) -> str | None:
    """Runs the program in a child process. Returns None when that went well, else what happened."""
    request = {"model": str(model_file), "params": str(params_file), "options": asdict(options), "shape": list(shape)}
    command = [sys.executable, "-m", "paddlevideo.tasks.engine", json.dumps(request)]
    env = environment.python_environment()
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False, env=env)
    except subprocess.TimeoutExpired:
        return f"no result in {PROBE_SECONDS} s"
    if child.returncode < 0:
        return signal.Signals(-child.returncode).name
    return None if child.returncode == 0 else (child.stderr.strip().splitlines() or ["no message"])[-1]


def _probe(request: dict) -> None:
    """What the child process does."""
    engine = Engine(Path(request["model"]), Path(request["params"]), EngineOptions(**request["options"]))
    scores = engine(np.random.default_rng(0).normal(size=request["shape"]).astype("float32"))
    assert np.isfinite(scores).all()


if __name__ == "__main__":
    _probe(json.loads(sys.argv[1]))
