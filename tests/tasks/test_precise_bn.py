"""PRECISEBN: exact statistics on a small net, its cadence, clean batches, and runs that stop, resume or share work."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn
from ranks import program

from paddlevideo.modeling import weights
from paddlevideo.tasks import precise_bn, schema, train
from paddlevideo.tasks.precise_bn import PreciseBN, measure
from paddlevideo.tasks.start import TrainOptions
from paddlevideo.utils import log
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.signals import Stopped, StopRequest


class Net(nn.Layer):
    """Two kinds of batch normalisation in a row, and one whose statistics are fixed."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.BatchNorm2D(3, momentum=0.9)
        self.second = nn.BatchNorm(3, momentum=0.8)
        self.fixed = nn.BatchNorm2D(3, use_global_stats=True)

    def forward(self, batch: dict[str, paddle.Tensor]) -> paddle.Tensor:
        return self.fixed(self.second(2 * self.first(batch["imgs"]) + 1))


def inputs(count: int) -> list[np.ndarray]:
    """Batches of different means and spreads: [4, 3, 2, 2]."""
    rng = np.random.default_rng(0)
    return [(rng.normal(size=(4, 3, 2, 2)) * (i + 1) + i).astype("float32") for i in range(count)]


def batches(arrays: list[np.ndarray]) -> Iterator[dict[str, paddle.Tensor]]:
    return ({"imgs": paddle.to_tensor(array)} for array in arrays)


def statistics(net: nn.Layer) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in net.state_dict().items() if name.endswith(("_mean", "_variance"))}


def test_statistics_are_the_means_over_the_batches() -> None:
    net, arrays = Net(), inputs(5)
    before = {name: value.numpy() for name, value in net.state_dict().items() if "_" not in name}
    assert measure(net, batches(arrays)) == 5
    got = statistics(net)
    means, variances = (np.stack([f(a, axis=(0, 2, 3)) for a in arrays]) for f in (np.mean, np.var))  # [5, 3]
    np.testing.assert_allclose(got["first._mean"], means.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(got["first._variance"], variances.mean(axis=0), rtol=1e-5)
    # after the first layer every batch has mean 0 and variance v / (v + 1e-5), so the second sees 1 and 4 times that
    np.testing.assert_allclose(got["second._mean"], np.ones(3), rtol=1e-5)
    np.testing.assert_allclose(got["second._variance"], 4 * (variances / (variances + 1e-5)).mean(axis=0), rtol=1e-5)
    assert (got["fixed._mean"] == 0).all() and (got["fixed._variance"] == 1).all()
    assert all(np.array_equal(net.state_dict()[name].numpy(), value) for name, value in before.items())


def test_what_was_before_plays_no_part() -> None:
    one, other = Net(), Net()
    measure(other, batches([100 + 50 * array for array in inputs(3)]))
    for net in (one, other):
        measure(net, batches(inputs(4)))
    assert all(np.array_equal(value, statistics(other)[name]) for name, value in statistics(one).items())


def test_layers_in_evaluation_mode_are_left_alone() -> None:
    net = Net()
    net.first.eval()
    measure(net, batches(inputs(2)))
    assert (net.first._mean.numpy() == 0).all() and (net.second._mean.numpy() != 0).any()


def test_momentum_is_restored_and_an_interrupted_measurement_keeps_what_it_has() -> None:
    def broken() -> Iterator[dict[str, paddle.Tensor]]:
        yield from batches(inputs(2))
        raise KeyboardInterrupt

    net, whole = Net(), Net()
    with pytest.raises(KeyboardInterrupt):
        measure(net, broken())
    measure(whole, batches(inputs(2)))
    assert (net.first._momentum, net.second._momentum) == (0.9, 0.8)
    assert all(np.array_equal(value, statistics(whole)[name]) for name, value in statistics(net).items())
    assert measure(net, iter(())) == 0
    assert all(np.array_equal(value, statistics(whole)[name]) for name, value in statistics(net).items())


def test_nothing_accumulates_over_epochs() -> None:
    """No hooks, no buffers, no attributes, as many forward passes the tenth time as the first."""
    net, calls = Net(), []
    handle = net.register_forward_post_hook(lambda *arguments: calls.append(1))

    def extent() -> tuple[int, ...]:
        layers = net.sublayers(include_self=True)
        hooks = sum(len(layer._forward_pre_hooks) + len(layer._forward_post_hooks) for layer in layers)
        return (hooks, len(net.state_dict()), *(len(vars(layer)) for layer in layers))

    first = extent()
    for _ in range(10):
        calls.clear()
        measure(net, batches(inputs(3)))
        assert len(calls) == 3 and extent() == first
        assert all(parameter.grad is None for parameter in net.parameters())
    handle.remove()


# --- in training ------------------------------------------------------------------------------------------------------

MIX = "MIX={name: VideoMix}"


def section(interval: int = 1, count: int = 3) -> str:
    return f"PRECISEBN={{preciseBN_interval: {interval}, num_iters_preciseBN: {count}}}"


def run(config: Path, output: Path, *overrides: str, **options: Any) -> None:
    resolved = schema.load(config, [*overrides, f"output_dir={output}"])
    log.setup(output / "run.log")
    train.train(resolved, TrainOptions(**options))


def arrays_of(prefix: Path) -> dict[str, np.ndarray]:
    rest = weights.read_pickle(Path(f"{prefix}.pdopt"))
    return {**weights.read_state(Path(f"{prefix}.pdparams")), **rest["optimizer"]}


def assert_equal(one: Path, other: Path) -> None:
    a, b = arrays_of(one), arrays_of(other)
    assert a.keys() == b.keys()
    assert not [name for name in a if not np.array_equal(a[name], b[name])]


@pytest.mark.parametrize(
    ("interval", "epochs", "expected"), [(1, 3, [0, 1, 2]), (5, 12, [0, 5, 10, 11]), (10, 11, [0, 10]), (7, 1, [0])]
)
def test_cadence(interval: int, epochs: int, expected: list[int], tiny: Path) -> None:
    cfg = schema.load(tiny, [section(interval), f"epochs={epochs}"]).root
    precise = PreciseBN(cfg, 1234)
    assert [epoch for epoch in range(epochs) if precise.due(epoch)] == expected


def test_the_number_of_batches(tiny: Path) -> None:
    """The data set has 5 batches."""
    for asked, limit, expected in ((3, None, 3), (200, None, 5), (200, 2, 2)):
        assert PreciseBN(schema.load(tiny, [section(count=asked)]).root, 1234, limit).count == expected


def test_batches_are_clean_and_differ_from_epoch_to_epoch(tiny: Path) -> None:
    cfg = schema.load(tiny, [section(), MIX]).root
    precise = PreciseBN(cfg, 1234)
    drawn = [[batch["imgs"].numpy() for batch in precise._batches(epoch, StopRequest())] for epoch in (0, 1, 0)]
    assert [len(some) for some in drawn] == [3, 3, 3]
    clean = schema.load(tiny, [section()]).root
    expected = [batch["imgs"].numpy() for batch in PreciseBN(clean, 1234)._batches(0, StopRequest())]
    assert all(np.array_equal(a, b) for a, b in zip(drawn[0], expected)), "MIX plays no part"
    assert all(np.array_equal(a, b) for a, b in zip(drawn[0], drawn[2]))
    assert not np.array_equal(drawn[0][0], drawn[1][0])


def test_it_changes_the_statistics_that_are_validated_and_saved_alone(tiny: Path, tmp_path: Path) -> None:
    run(tiny, tmp_path / "without", MIX, "epochs=1", validate=True)
    run(tiny, tmp_path / "with", MIX, section(), "epochs=1", validate=True)
    for name in ("best", "epoch_00001"):
        a, b = arrays_of(tmp_path / f"without/Tiny_{name}"), arrays_of(tmp_path / f"with/Tiny_{name}")
        different = {name for name in a if not np.array_equal(a[name], b[name])}
        assert different == {name for name in a if name.endswith(("._mean", "._variance"))}
    text = (tmp_path / "with/run.log").read_text()
    lines = re.findall(r"Computing precise BN (\d+) / 3\.\.\.|END epoch:1   (val)", text)
    assert lines == [("1", ""), ("3", ""), ("", "val")], "before the validation"


@pytest.mark.parametrize("workers", [0, 1])
def test_a_resumed_run_is_the_same_run_bit_for_bit(workers: int, tiny: Path, tmp_path: Path) -> None:
    options = [MIX, section(), f"DATASET.num_workers={workers}"]
    run(tiny, tmp_path / "whole", MIX, section())
    run(tiny, tmp_path / "parts", *options, "epochs=1")
    run(tiny, tmp_path / "parts", *options, resume="auto")
    assert_equal(tmp_path / "whole/Tiny_epoch_00002", tmp_path / "parts/Tiny_epoch_00002")


def test_a_signal_while_measuring_loses_nothing(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tiny, tmp_path / "whole", MIX, section())

    def signalled(self: PreciseBN, epoch: int, model: nn.Layer, precision: Any, stop: StopRequest) -> None:
        after(self, epoch, model, precision, stop)
        stop.number = 15

    after = PreciseBN.after
    with monkeypatch.context() as patch:
        patch.setattr(precise_bn.PreciseBN, "after", signalled)
        with pytest.raises(Stopped):
            run(tiny, tmp_path / "parts", MIX, section())
    assert (tmp_path / "parts/Tiny_epoch_00001_step_000005.pdparams").exists()
    run(tiny, tmp_path / "parts", MIX, section(), resume="auto")
    assert_equal(tmp_path / "whole/Tiny_epoch_00002", tmp_path / "parts/Tiny_epoch_00002")


def test_a_signal_ends_the_batches(tiny: Path) -> None:
    precise, stop = PreciseBN(schema.load(tiny, [section()]).root, 1234), StopRequest()
    drawn = precise._batches(0, stop)
    next(drawn)
    stop.number = 15
    assert list(drawn) == []


def test_a_model_without_batch_normalisation_is_left_alone(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    precise = PreciseBN(schema.load(tiny, [section()]).root, 1234)
    monkeypatch.setattr(precise, "_batches", None)  # not called
    precise.after(0, nn.Linear(2, 2), train.Precision(False, None), StopRequest())


@pytest.mark.parametrize("key", ["preciseBN_interval", "num_iters_preciseBN"])
def test_values_are_checked(key: str, tiny: Path) -> None:
    with pytest.raises(UserError, match=f"{key} must be at least 1, got 0"):
        schema.load(tiny, [section(), f"PRECISEBN.{key}=0"])


RANKS = """
from paddlevideo.utils import environment
environment.prepare()
import sys
import numpy as np
from paddlevideo.tasks import run, schema
from paddlevideo.tasks.precise_bn import PreciseBN
from paddlevideo.tasks.precision import Precision
from paddlevideo.utils import dist, log, seed
from paddlevideo.utils.signals import StopRequest
dist.start()
log.setup()
cfg = schema.load(sys.argv[1], sys.argv[3:]).root
seed.seed_model(0)
net = run.build_model(cfg)
PreciseBN(cfg, 1234).after(0, net, Precision(False, None), StopRequest())
np.savez(f"{sys.argv[2]}/own_{dist.rank()}", **{k: v.numpy() for k, v in net.state_dict().items()})
dist.average_batch_norm(net.state_dict())
np.savez(f"{sys.argv[2]}/joined_{dist.rank()}", **{k: v.numpy() for k, v in net.state_dict().items()})
"""


def test_two_ranks_measure_on_different_batches_and_end_with_their_mean(tiny: Path, tmp_path: Path) -> None:
    script = tmp_path / "ranks.py"
    script.write_text(RANKS)
    options = [section(count=2), "DATASET.batch_size=2"]
    program(2, tmp_path / "log", script, str(tiny), str(tmp_path), *options)
    own, joined = ([np.load(tmp_path / f"{kind}_{rank}.npz") for rank in (0, 1)] for kind in ("own", "joined"))
    names = [name for name in own[0] if name.endswith("._mean")]
    assert names
    for name in names:
        assert not np.array_equal(own[0][name], own[1][name])
        np.testing.assert_allclose(joined[0][name], (own[0][name] + own[1][name]) / 2, rtol=1e-6, atol=1e-7)
        assert np.array_equal(joined[0][name], joined[1][name])
