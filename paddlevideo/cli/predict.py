"""Predict the class of a video, or of every video in a folder, with an exported model or a checkpoint.

paddlevideo predict --model_file inference/TSM --input_file video.mp4
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from paddlevideo.cli import launch
from paddlevideo.utils import environment
from paddlevideo.utils.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of PaddleVideo's tools/predict.py, and ours."""
    launch.config_flags(parser, required=False)
    add, switch = parser.add_argument, launch.boolean
    add("-i", "--input_file", required=True, metavar="PATH", help="a video, or a folder of videos")
    add(
        "--time_test_file",
        type=switch,
        default=False,
        metavar="BOOL",
        help="input_file lists videos, one a line",
    )
    what = "the program (.pdmodel, .json) or the folder it is in; or a checkpoint (.pdparams)"
    add("--model_file", required=True, metavar="PATH", help=what)
    add("--params_file", metavar="FILE", help="its parameters (by default the .pdiparams beside it)")
    add("-b", "--batch_size", type=launch.positive, default=1, help="videos at a time")
    add("--num_workers", type=launch.natural, default=0, help="processes that decode")
    add("--top_k", type=launch.positive, default=1, help="classes to print")
    add("--output", metavar="FILE", help="write all results to this .json or .csv")
    launch.device_flags(parser)
    add("--use_xpu", type=switch, default=False, metavar="BOOL", help="not supported here")
    add("--use_npu", type=switch, default=False, metavar="BOOL", help="not supported here")
    add(
        "--precision",
        choices=["fp32", "bf16", "fp16", "int8"],
        default="fp32",
        help="bf16: CPU; fp16, int8: TensorRT",
    )
    add("--ir_optim", type=switch, default=True, metavar="BOOL", help="let Paddle fuse operations")
    add("--use_tensorrt", type=switch, default=False, metavar="BOOL", help="run through TensorRT (GPU)")
    add("--gpu_mem", type=launch.positive, default=8000, help="MB of GPU memory to begin with")
    add("--enable_mkldnn", type=switch, metavar="BOOL", help="oneDNN kernels on the CPU (by default where safe)")
    add("--enable_benchmark", type=switch, default=False, metavar="BOOL", help="print how long the stages take")
    add(
        "--disable_glog",
        type=switch,
        default=False,
        metavar="BOOL",
        help="for old scripts; Paddle is always quiet",
    )


def run(args: argparse.Namespace) -> int:
    """Predicts."""
    from paddlevideo.tasks import exported, predict, schema, session
    from paddlevideo.utils.log import logger

    if args.use_xpu or args.use_npu:
        raise UserError("--use_xpu, --use_npu: these devices are not supported; leave the flags out")
    if args.output and Path(args.output).suffix not in (".json", ".csv"):
        raise UserError(f"--output {args.output}: the name must end in .json or .csv")
    source = args.config or (args.model_file if args.model_file.endswith(".pdparams") else None)
    cfg = schema.load(source, args.override).root if source else None
    gpu = session.start_quietly(args.use_gpu)
    paths = _inputs(Path(args.input_file), args.time_test_file)
    params = args.params_file and Path(args.params_file)
    model = exported.open_model(Path(args.model_file), params, cfg, _engine_options(args, gpu))
    predictor = predict.Predictor(model, args.batch_size, args.num_workers)
    done = []
    try:
        for item in predictor.predict(paths, args.top_k):
            done.append(item)
            if not args.enable_benchmark:
                print("\n".join(item.lines()))
    finally:
        _report(predictor.failures, len(paths), args.output)
    for line in predictor.timing() if args.enable_benchmark else []:
        print(line)
    if args.output and done:
        predict.write_results(done, Path(args.output))
        logger.info(f"wrote {args.output}")
    if not done:
        raise UserError(f"{args.input_file}: no video could be read; there is no prediction")
    return 0


def _report(failures: list[Any], total: int, output: str | None) -> None:
    """Says which videos could not be read, and lists them beside the results."""
    from paddlevideo.tasks import unreadable
    from paddlevideo.utils import files
    from paddlevideo.utils.log import logger

    for failure in failures:
        logger.info(f"{files.plain(failure.path)}: unreadable: {failure.reason}")
    logger.info(f"{len(failures)} of {total} predict samples unreadable")
    if output:
        unreadable.write_listing(unreadable.listing(Path(output).parent, "predict"), failures)


def _inputs(path: Path, is_list: bool) -> list[Path]:
    from paddlevideo.tasks.predict import find_videos, listed_videos

    return listed_videos(path) if is_list else find_videos(path)


def _engine_options(args: argparse.Namespace, gpu: bool) -> Any:
    from paddlevideo.tasks.engine import EngineOptions

    return EngineOptions(
        use_gpu=gpu,
        onednn=args.enable_mkldnn,
        precision=args.precision,
        cpu_threads=environment.threads(),
        ir_optim=args.ir_optim,
        use_tensorrt=args.use_tensorrt,
        gpu_mem=args.gpu_mem,
    )
