"""Which samples go into which batch on which rank."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddlevideo.loader.plan import count_batches, plan_epoch, sample_rng, shuffle_rng


def plans(size: int, batch: int, world: int, **options: object) -> list[list[list[int]]]:
    """rank -> batch -> indices."""
    seeds = options.pop("seed", None)
    return [
        [
            each.tolist()
            for each in plan_epoch(
                size,
                batch,
                order=None if seeds is None else shuffle_rng(0, seeds),  # type: ignore[arg-type]
                rank=rank,
                world_size=world,
                **options,  # type: ignore[arg-type]
            )
        ]
        for rank in range(world)
    ]


def test_evaluation_on_one_and_on_three_ranks() -> None:
    assert plans(7, 3, 1) == [[[0, 1, 2], [3, 4, 5], [6]]]
    assert plans(7, 2, 3) == [[[0, 3], [6]], [[1, 4]], [[2, 5]]]
    assert plans(2, 4, 3) == [[[0]], [[1]], []]


@given(size=st.integers(0, 40), batch=st.integers(1, 9), world=st.integers(1, 5), drop_last=st.booleans())
def test_batches_are_counted_without_laying_them_out(size: int, batch: int, world: int, drop_last: bool) -> None:
    counts = [count_batches(size, batch, drop_last=drop_last, rank=rank, world_size=world) for rank in range(world)]
    assert counts == [len(rank) for rank in plans(size, batch, world, drop_last=drop_last)]


def test_training_leaves_the_rest_over() -> None:
    assert plans(11, 2, 2, drop_last=True) == [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]


def test_a_set_smaller_than_a_batch_still_trains() -> None:
    assert plans(3, 8, 1, drop_last=True) == [[[0, 1, 2]]]
    assert plans(3, 8, 2, drop_last=True) == [[[0, 2]], [[1, 0]]]
    assert plans(1, 8, 3, drop_last=True) == [[[0]], [[0]], [[0]]]


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 4), st.none() | st.integers(0, 9))
@settings(deadline=None)
def test_evaluation_gives_every_sample_once(size: int, batch: int, world: int, seed: int | None) -> None:
    ranks = plans(size, batch, world, seed=seed)
    assert sorted(index for rank in ranks for each in rank for index in each) == list(range(size))
    assert all(1 <= len(each) <= batch for rank in ranks for each in rank)


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 4), st.integers(0, 9))
@settings(deadline=None)
def test_training_keeps_ranks_in_step(size: int, batch: int, world: int, seed: int) -> None:
    ranks = plans(size, batch, world, seed=seed, drop_last=True)
    shapes = [[len(each) for each in rank] for rank in ranks]
    assert shapes == [shapes[0]] * world
    assert len(shapes[0]) == max(1, size // (batch * world))
    seen = [index for rank in ranks for each in rank for index in each]
    if size >= batch * world:
        assert len(set(seen)) == len(seen)
    else:
        assert set(seen) == set(range(size))


def test_each_epoch_and_each_sample_has_its_own_randomness() -> None:
    draws = {sample_rng(seed, epoch, i).random() for seed in range(3) for epoch in range(3) for i in range(3)}
    orders = {shuffle_rng(seed, epoch).random() for seed in range(3) for epoch in range(3)}
    assert len(draws | orders) == 36
    assert sample_rng(1, 2, 3).random() == sample_rng(1, 2, 3).random()


def test_shuffling_is_a_function_of_seed_and_epoch() -> None:
    first, again, other = (plans(20, 5, 1, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert not np.array_equal(np.concatenate(first[0]), np.arange(20))


@pytest.mark.parametrize("world", [1, 2, 4])
def test_the_global_batch_does_not_depend_on_the_number_of_ranks(world: int) -> None:
    ranks = plans(32, 8 // world, world, seed=0, drop_last=True)
    joined = [sorted(index for batch in batches for index in batch) for batches in zip(*ranks)]
    assert joined == [sorted(batch) for batch in plans(32, 8, 1, seed=0, drop_last=True)[0]]
