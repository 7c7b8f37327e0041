"""Which samples go into which batch, and with what randomness: pure functions of (seed, epoch)."""

from __future__ import annotations

import numpy as np


def sample_rng(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The generator of one sample in one epoch, whatever the number of workers or ranks."""
    return np.random.default_rng((seed, epoch, index + 1))


def plan_epoch(
    size: int,
    batch_size: int,
    *,
    order: np.random.Generator | None = None,
    drop_last: bool = False,
    rank: int = 0,
    world_size: int = 1,
) -> list[np.ndarray]:
    """The batches of one rank, as arrays of sample indices.

    Args:
        size: samples in the data set.
        batch_size: samples a rank takes at once.
        order: shuffles; None keeps the order of the list.
        drop_last: all ranks get equally many full batches, and what is left over waits for another epoch; a set
            smaller than one batch on every rank is shared out as a single smaller one, repeating where it must. Without
            it every sample is given exactly once, so ranks may differ by one sample.
    """
    indices = order.permutation(size) if order else np.arange(size)
    if not drop_last:
        mine = indices[rank::world_size]
        return [mine[i : i + batch_size] for i in range(0, len(mine), batch_size)]
    rounds = size // (batch_size * world_size)
    if rounds == 0:
        share = -(-size // world_size)  # rounded up
        return [np.resize(indices, share * world_size)[rank::world_size]]
    whole = indices[: rounds * world_size * batch_size].reshape(rounds, world_size, batch_size)
    return list(whole[:, rank])  # [rounds, batch_size]


def count_batches(size: int, batch_size: int, *, drop_last: bool, rank: int = 0, world_size: int = 1) -> int:
    """How many batches `plan_epoch` gives, without laying them out."""
    if drop_last:
        return max(1, size // (batch_size * world_size))
    return -(-len(range(rank, size, world_size)) // batch_size)  # rounded up


def mix_rng(seed: int, epoch: int, first: int) -> np.random.Generator:
    """The generator that mixes the batch whose first sample is `first`; its stream is that of no sample and no order.

    A batch is named by its first sample, which is in no other batch of the epoch: so ranks mix differently, and a batch
    is mixed alike whatever came before it in the run.
    """
    return np.random.default_rng((seed, epoch, 0, first + 1))


def shuffle_rng(seed: int, epoch: int) -> np.random.Generator:
    """The generator that orders an epoch; its stream is that of no sample."""
    return np.random.default_rng((seed, epoch))
