"""Averages of a model along its training: exact values, in place, resumed bit for bit; the plans of EMA and SWA."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import paddle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from paddle import nn

from paddlevideo.solver.average_plan import CyclicRate, EMASection, SWASection
from paddlevideo.solver.averaging import Average, EqualAverage, ExponentialAverage
from paddlevideo.solver.lr import Progress
from paddlevideo.solver.state_mean import StateMean


class Net(nn.Layer):
    """A weight, running statistics, and a counter, which is no floating-point number."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1D(2)
        self.register_buffer("count", paddle.to_tensor([0], dtype="int64"))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.norm(self.fc(x))


def at(net: Net, value: float, count: int = 0) -> Net:
    """The net with every floating-point number at `value`."""
    for name, tensor in net.state_dict().items():
        tensor.set_value(np.full(tensor.shape, count if name == "count" else value, tensor.numpy().dtype))
    return net


def arrays(net: nn.Layer) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in net.state_dict().items()}


def taken(average: Average, values: list[float]) -> list[float]:
    """The average after each of several models; it must be the same in every array."""
    net, found = Net(), []
    for value in values:
        average.update(at(net, value))
        (number,) = {float(x) for array in average.values.values() for x in array.numpy().flat}
        found.append(number)
    return found


def test_exponential_values() -> None:
    assert taken(ExponentialAverage(0.75, warmup=False), [4, 8, 0, 8]) == [4, 5, 3.75, 4.8125]


def test_warm_up() -> None:
    """2/11, 3/12, 4/13 ... of what was, up to the decay."""
    found = taken(ExponentialAverage(0.28, warmup=True), [0, 1, 1, 1, 1])
    left = [1, 2 / 11, 3 / 12, 0.28, 0.28]
    assert found[0] == 0
    assert found[1:] == pytest.approx([1 - np.prod(left[1 : i + 1]) for i in range(1, 5)], rel=1e-6)


def test_equal_values() -> None:
    assert taken(EqualAverage(), [4, 8, 0, 12]) == pytest.approx([4, 6, 4, 6])


def test_what_does_not_change_stays_exactly() -> None:
    assert set(taken(ExponentialAverage(0.9999), [0.1] * 5)) == {float(np.float32(0.1))}


def test_it_is_in_place_and_knows_no_model_but_by_value() -> None:
    net, average = at(Net(), 1.0, count=3), ExponentialAverage(0.5, warmup=False)
    average.update(net)
    assert set(average.values) == {*dict(net.named_parameters())} and "count" not in average.values
    where = {name: value.data_ptr() for name, value in average.values.items()}
    at(net, 3.0)
    assert all((value.numpy() == 1).all() for value in average.values.values()), "a copy"
    average.update(net)
    assert where == {name: value.data_ptr() for name, value in average.values.items()}
    assert all((value.numpy() == 2).all() and value.stop_gradient for value in average.values.values())
    assert (arrays(net)["fc.weight"] == 3).all() and not net.fc.weight.stop_gradient


def train(net: Net, optimizer: paddle.optimizer.Optimizer, average: Average, steps: range) -> None:
    for step in steps:
        x = paddle.to_tensor(np.random.default_rng(step).normal(size=(4, 3)).astype("float32"))
        net(x).pow(3).sum().backward()
        optimizer.step()
        optimizer.clear_grad()
        average.update(net)


def test_it_changes_nothing_of_the_training() -> None:
    paddle.seed(0)
    one, other = Net(), Net()
    other.set_state_dict(arrays(one))
    for net, average in ((one, ExponentialAverage(0.9)), (other, EqualAverage())):
        optimizer = paddle.optimizer.Momentum(0.1, parameters=net.parameters())
        train(net, optimizer, average, range(3))
        with average.applied(net):
            net(paddle.ones([4, 3]))  # moves the running statistics
        train(net, optimizer, average, range(3, 5))
    assert all(np.array_equal(arrays(one)[name], arrays(other)[name]) for name in arrays(one))


@pytest.mark.parametrize("make", [lambda: ExponentialAverage(0.99), EqualAverage], ids=["exponential", "equal"])
def test_resumed_bit_for_bit(make) -> None:
    states = [np.random.default_rng(i).normal(size=50).astype("float32") for i in range(6)]

    def feed(average: Average, some: list[np.ndarray]) -> Average:
        net = nn.Linear(5, 10, bias_attr=False)
        for state in some:
            net.weight.set_value(state.reshape(5, 10))
            average.update(net)
        return average

    whole, first, second = feed(make(), states), feed(make(), states[:3]), make()
    second.load_state_dict(first.state_dict())
    feed(second, states[3:])
    assert (second.updates, whole.updates) == (6, 6)
    assert np.array_equal(second.values["weight"].numpy(), whole.values["weight"].numpy())


def test_a_state_outlives_its_average_and_an_empty_one_is_a_state_too() -> None:
    average = ExponentialAverage(0.5, warmup=False)
    assert average.state_dict() == {"updates": 0, "values": {}}
    average.update(at(Net(), 1.0))
    state = average.state_dict()
    average.update(at(Net(), 3.0))
    assert (state["values"]["fc.weight"] == 1).all() and state["values"]["fc.weight"].dtype == np.float32
    average.load_state_dict({"updates": 0, "values": {}})
    assert taken(average, [7]) == [7]


def test_applied_and_back() -> None:
    net, average = at(Net(), 2.0, count=5), EqualAverage()
    average.update(at(net, 1.0, count=5))
    own = np.random.default_rng(0).normal(size=(3, 2)).astype("float32")
    net.fc.weight.set_value(own)
    before, places = arrays(net), {name: value.data_ptr() for name, value in net.state_dict().items()}
    with average.applied(net):
        assert all((value == (5 if name == "count" else 1)).all() for name, value in arrays(net).items())
        at(net, 9.0)  # whatever the block does
    assert all(np.array_equal(arrays(net)[name], value) for name, value in before.items() if name != "count")
    assert places == {name: value.data_ptr() for name, value in net.state_dict().items()}
    assert (average.values["fc.weight"].numpy() == 1).all()
    with pytest.raises(KeyboardInterrupt), average.applied(net):
        raise KeyboardInterrupt
    assert np.array_equal(net.fc.weight.numpy(), own) and not net.fc.weight.stop_gradient


def test_float16_weights() -> None:
    net, average = nn.Linear(3, 2), ExponentialAverage(0.5, warmup=False)
    net.to(dtype="float16")
    for value in (1.0, 1.5):
        net.weight.set_value(np.full([3, 2], value, "float16"))
        average.update(net)
    assert (average.values["weight"].numpy() == 1.25).all() and average.values["weight"].dtype == paddle.float32
    with average.applied(net):
        assert net.weight.dtype == paddle.float16 and (net.weight.numpy() == 1.25).all()
    assert (net.weight.numpy() == 1.5).all()


# --- files ------------------------------------------------------------------------------------------------------------

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
SHARES = st.floats(1e-3, 1e3)


def mean(states: list[dict[str, np.ndarray]], shares: list[float]) -> dict[str, np.ndarray]:
    found = StateMean()
    for state, share in zip(states, shares):
        found.add(state, share)
    return found.result()


@given(st.lists(st.tuples(hnp.arrays("float32", 3, elements=FLOATS), SHARES), min_size=1, max_size=5), st.randoms())
def test_the_mean_is_exact_in_any_order(items: list[tuple[np.ndarray, float]], random) -> None:
    found = mean([{"x": array} for array, _ in items], [share for _, share in items])["x"]
    weight = sum(Fraction(share) for _, share in items)
    exact = [float(sum(Fraction(float(a[i])) * Fraction(share) for a, share in items) / weight) for i in range(3)]
    scale = np.max([np.abs(array) for array, _ in items], axis=0).astype("float64")
    assert (np.abs(found.astype("float64") - exact) <= np.spacing(np.abs(found)) + 1e-14 * scale).all()
    random.shuffle(items)
    other = mean([{"x": array} for array, _ in items], [share for _, share in items])["x"]
    assert (np.abs(found.astype("float64") - other) <= np.spacing(np.abs(found)) + 1e-14 * scale).all()
    assert found.dtype == np.float32


@given(hnp.arrays("float32", 4, elements=FLOATS), st.lists(SHARES, min_size=1, max_size=6))
def test_the_mean_of_equal_files_is_the_file(array: np.ndarray, shares: list[float]) -> None:
    assert np.array_equal(mean([{"x": array}] * len(shares), shares)["x"], array)


def test_a_share_of_two_is_two_files() -> None:
    one, other = {"x": np.float32([1, 2])}, {"x": np.float32([4, -7])}
    assert np.array_equal(mean([one, other], [2, 1])["x"], mean([one, one, other], [1, 1, 1])["x"])
    assert mean([one, other], [2, 1])["x"].tolist() == [2, -1]


def test_many_files_lose_nothing() -> None:
    """In float32, 1e8 + 1 is 1e8."""
    assert mean([{"x": np.float32([1e8])}, *[{"x": np.float32([1])}] * 99], [1] * 100)["x"][0] == np.float32(1000000.99)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"a": np.ones(2), "c": np.ones(1)}, r"missing: b; unexpected: c"),
        ({"a": np.ones(3), "b": np.ones(2)}, r"a is \[3\] instead of \[2\]"),
        ({"a": np.ones(2), "b": np.ones(2, "int64")}, r"only floating-point arrays have a mean: b is int64"),
        ({"a": np.ones(2), "b": np.array([1, np.nan])}, r"had diverged: values that are no numbers in b"),
        ({f"n{i}": np.ones(1) for i in range(12)}, r"n7; and 4 more"),
    ],
)
def test_files_that_have_no_mean(other: dict[str, np.ndarray], told: str) -> None:
    found = StateMean()
    found.add({"a": np.ones(2), "b": np.zeros(2)}, 1)
    with pytest.raises(ValueError, match=told):
        found.add(other, 1)
    assert found.result()["a"].tolist() == [1, 1]


# --- plans ------------------------------------------------------------------------------------------------------------


def test_ema_plan() -> None:
    plan = EMASection(decay=0.9, start_epoch=2)
    assert [plan.active(epoch) for epoch in range(4)] == [False, False, True, True]
    average = plan.build()
    assert (average.decay, average.warmup, average.updates) == (0.9, True, 0)
    plan.check(3)
    with pytest.raises(ValueError, match=r"EMA.start_epoch=2, but there are only 2 epochs"):
        plan.check(2)


@pytest.mark.parametrize(
    ("epochs", "interval", "expected"), [(3, 1, [7, 8, 9]), (4, 2, [7, 9]), (10, 5, [4, 9]), (10, 10, [9])]
)
def test_samples(epochs: int, interval: int, expected: list[int]) -> None:
    plan = SWASection(epochs, interval=interval)
    assert [epoch for epoch in range(10) if plan.samples(epoch, 10)] == expected


def rates(plan: SWASection, epochs: int, steps: int) -> list[float | None]:
    return [plan.lr(Progress(epoch, step, steps), epochs) for epoch in range(epochs) for step in range(steps)]


def test_rates_of_swa() -> None:
    assert rates(SWASection(2), 3, 2) == [None] * 6
    assert rates(SWASection(2, 0.05), 3, 2) == [None] * 2 + [0.05] * 4


def test_cyclic_rate() -> None:
    """Cycles of 4 steps: t = 1/4, 2/4, 3/4, 1."""
    cycle, rate = [0.8, 0.6, 0.4, 0.2], CyclicRate(high=1.0, low=0.2)
    for epochs, interval, steps in ((2, 1, 4), (4, 2, 2), (8, 4, 1)):
        found = rates(SWASection(epochs, rate, interval), epochs + 1, steps)
        assert found[:steps] == [None] * steps
        assert found[steps:] == pytest.approx(cycle * 2)
    assert rates(SWASection(1, CyclicRate(0.5, 0.5)), 1, 3) == pytest.approx([0.5] * 3)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 7))
def test_every_sample_is_taken_at_the_lowest_rate(interval: int, cycles: int, steps: int) -> None:
    plan, epochs = SWASection(interval * cycles, CyclicRate(3.0, 1.0), interval), interval * cycles + 2
    found = rates(plan, epochs, steps)
    lowest = [i for i, rate in enumerate(found) if rate == 1.0]
    assert lowest == [(epoch + 1) * steps - 1 for epoch in range(epochs) if plan.samples(epoch, epochs)]
    assert len(lowest) == cycles


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: EMASection(decay=1.0), "decay=1.0 is outside"),
        (lambda: EMASection(start_epoch=-1), "start_epoch=-1 is negative"),
        (lambda: SWASection(5, interval=2), "epochs=5 must be a multiple of interval=2"),
        (lambda: SWASection(0), "epochs=0"),
        (lambda: SWASection(5, interval=0), "interval=0"),
        (lambda: SWASection(5, -0.1), "learning_rate=-0.1 is negative"),
        (lambda: CyclicRate(high=0.1, low=0.2), "high=0.1 and low=0.2"),
        (lambda: SWASection(5).check(4), "SWA.epochs=5, but there are only 4 epochs"),
    ],
)
def test_senseless_plans_are_refused(make, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make()
