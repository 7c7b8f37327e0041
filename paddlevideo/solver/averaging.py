"""Averages of a model's weights along its training, which often do better than the last weights.

Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992: the mean is where the single steps,
thrown about by their batches, only circle. Exponential: over the last 1 / (1 - decay) steps or so. Equal: over a few
models some way apart (Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", 2018).

What is averaged is all of the model's state that is floating-point: parameters, and the running statistics of batch
normalisation with the same weights. Those statistics belong to the weights they were measured with, so that of averaged
weights those of the last ones would be further off (Cai et al., "Exponential Moving Average Normalization", 2021). They
remain an approximation: for an equal average of models far apart, measure them anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import paddle
from paddle import Tensor, nn


class Average:
    """A running average of a model; a subclass says how much the next one counts.

    Attributes:
        updates: models taken in so far.
        values: name -> the average, float32, on the model's device. Empty before the first model.
    """

    def __init__(self) -> None:
        self.updates = 0
        self.values: dict[str, Tensor] = {}

    def share(self) -> float:
        """Weight of the next model, 0..1; the average so far has the rest. Asked from the second model on."""
        raise NotImplementedError

    @paddle.no_grad()
    def update(self, model: nn.Layer) -> None:
        """Takes in the model as it is now: values + share * (model - values), in place.

        Nothing waits for the device, and no large tensor is made (but the first time, and of float16 parameters one by
        one). Called on all ranks it gives the same parameters on all, and statistics of each its own.
        """
        state = _floats(model)
        if self.updates == 0:
            self.values = {name: value.detach().astype("float32").clone() for name, value in state.items()}
        else:
            assert state.keys() == self.values.keys(), "the average is of another model"
            share = paddle.full([], self.share(), "float32")
            for name, value in state.items():
                self.values[name].lerp_(value.astype("float32"), share)
        self.updates += 1

    @contextmanager
    def applied(self, model: nn.Layer) -> Iterator[None]:
        """Within the block the model has the averaged values; afterwards its own again, bit for bit.

        What the block changes in the model, such as statistics measured anew, is gone after it; the average stays as
        it is too. It holds one more copy of the model meanwhile.
        """
        assert self.updates, "nothing has been averaged yet"
        own = {name: value.clone() for name, value in _floats(model).items()}
        try:
            _assign(model, self.values)
            yield
        finally:
            _assign(model, own)

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on as if nothing had been: {"updates": int, "values": name -> array}."""
        return {"updates": self.updates, "values": {name: value.numpy() for name, value in self.values.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes the place of the average that `state` is of."""
        self.updates = int(state["updates"])
        self.values = {name: paddle.to_tensor(array, "float32") for name, array in state["values"].items()}


class ExponentialAverage(Average):
    """Each model counts `decay` times as much as the one after it.

    Args:
        decay: 0 <= decay < 1.
        warmup: after n models a decay of min(decay, (1 + n) / (10 + n)), so that the first ones, from random weights,
            are soon forgotten (as in `paddle.static.ExponentialMovingAverage` and TensorFlow's).
    """

    def __init__(self, decay: float, warmup: bool = True) -> None:
        super().__init__()
        self.decay, self.warmup = decay, warmup

    def share(self) -> float:
        """1 - decay."""
        n = self.updates
        return 1 - (min(self.decay, (1 + n) / (10 + n)) if self.warmup else self.decay)


class EqualAverage(Average):
    """The mean of all models taken in."""

    def share(self) -> float:
        """One of n + 1."""
        return 1 / (self.updates + 1)


def _floats(model: nn.Layer) -> dict[str, Tensor]:
    return {name: value for name, value in model.state_dict().items() if value.is_floating_point()}


@paddle.no_grad()
def _assign(model: nn.Layer, values: Mapping[str, Tensor]) -> None:
    for name, value in _floats(model).items():
        paddle.assign(values[name].astype(value.dtype), output=value)
