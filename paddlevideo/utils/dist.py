"""The few things ranks say to each other. With one process every function is trivial."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import paddle
import paddle.distributed as dist

from paddlevideo.utils.errors import UserError


def world_size() -> int:
    return int(os.environ.get("PADDLE_TRAINERS_NUM", "1"))


def rank() -> int:
    return int(os.environ.get("PADDLE_TRAINER_ID", "0"))


def start() -> None:
    """Joins the other ranks, when `paddle.distributed.launch` started more than one."""
    if world_size() > 1:
        dist.init_parallel_env()


def barrier() -> None:
    """Waits for all ranks."""
    if world_size() > 1:
        dist.barrier()


def gather_objects(value: Any) -> list[Any]:
    """`value` of every rank, in rank order, on every rank."""
    if world_size() == 1:
        return [value]
    values: list[Any] = []
    dist.all_gather_object(values, value)
    return values


def average_batch_norm(state: Mapping[str, Any]) -> None:
    """Gives every rank the mean of all ranks' running statistics, which Paddle leaves different on each.

    Args:
        state: name -> tensor of a model.

    Called before evaluating and saving, so that the figure and the file do not depend on which rank made them.
    """
    if world_size() == 1:
        return
    for _, value in batch_norm_statistics(state):
        dist.all_reduce(value)
        value.set_value(value / world_size())


def batch_norm_statistics(state: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The running means and variances among the tensors of a model."""
    for name, value in state.items():
        if name.endswith(("._mean", "._variance")):
            yield name, value


def device(use_gpu: bool | None = None) -> str:
    """Chooses and sets the device: the GPU where Paddle has one, else the CPU. Returns what was chosen, in words.

    Raises:
        UserError: a GPU was asked for and there is none.
    """
    built = paddle.is_compiled_with_cuda()
    count = paddle.device.cuda.device_count() if built else 0
    if use_gpu and not count:
        why = "this Paddle is built for the CPU (pip install paddlepaddle-gpu)" if not built else "no GPU is visible"
        raise UserError(f"--use_gpu=True: {why}; leave the flag out to run on the CPU")
    if count and use_gpu is not False:
        local = dist.ParallelEnv().device_id
        paddle.set_device(f"gpu:{local}")
        return f"GPU {local} ({paddle.device.cuda.get_device_name(local)})"
    paddle.set_device("cpu")
    return "CPU"
