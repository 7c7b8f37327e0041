"""Holding a part of a data set out: whole groups, each class by the same share, the same for the same seed."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from paddlevideo.utils.errors import UserError

UCF_GROUP = r"(.*_g\d+)_c\d+"  # v_Archery_g08_c01.avi: clip 1 of those cut from recording 8 of the class


def group_of(path: str, pattern: str | None = None) -> str:
    """What `path` must not be parted from: files with equal keys belong together.

    Args:
        path: of a file or folder, as the list has it.
        pattern: regular expression looked for in the path; the key is what its brackets hold, or all that it matches.
            None: the recording and class of a file named as in UCF101.
    Returns:
        The key; `path` itself where the pattern does not match.
    Raises:
        UserError: `pattern` is no regular expression.
    """
    try:
        found = re.search(UCF_GROUP if pattern is None else pattern, path)
    except re.error as error:
        raise UserError(f"group {pattern!r}: not a regular expression ({error})") from None
    if found is None:
        return path
    return "\n".join(text or "" for text in found.groups()) if found.groups() else found[0]


def held_out(keys: Sequence[str], labels: Sequence[int], share: float, seed: int) -> np.ndarray:
    """Which of N samples to hold out.

    A group (equal key) is never parted. Of each class, as near to `share` of its samples is held out as its groups
    allow; where it has two or more, each side gets at least one. With groups of several classes that is so as far as
    `settle` gets. The order of the samples does not matter.

    Args:
        keys, labels: [N].
        share: between 0 and 1, exclusive.
        seed: another one holds out others.
    Returns:
        [N] bool.
    Raises:
        ValueError: `share` is outside its range.
    """
    if not 0 < share < 1:
        raise ValueError(f"the share that is held out must lie between 0 and 1, exclusive; got {share}")
    sizes: dict[int, Counter[str]] = {}  # label -> group -> how many samples of the class it has
    for key, label in zip(keys, labels, strict=True):
        sizes.setdefault(label, Counter())[key] += 1
    chosen: dict[str, bool] = {}
    for label in sorted(sizes, key=lambda label: (len(sizes[label]), label)):
        of_class = sizes[label]
        held = sum(size for key, size in of_class.items() if chosen.get(key) is True)
        kept = sum(size for key, size in of_class.items() if chosen.get(key) is False)
        free = sorted(key for key in of_class if key not in chosen)
        random.Random(f"{seed} {label}").shuffle(free)
        rest = of_class.total() - held - kept
        low, high = int(held == 0 and len(of_class) > 1), rest - int(kept == 0)
        wanted = min(max(round(of_class.total() * share) - held, low), high)
        picked = nearest_sum([of_class[key] for key in free], wanted, low, high)
        chosen.update({key: place in picked for place, key in enumerate(free)})
    if sum(map(len, sizes.values())) > len(chosen):  # a group has several classes: the first of them has placed it
        settle(chosen, sizes, share)
    return np.array([chosen[key] for key in keys], dtype=bool)


def settle(chosen: dict[str, bool], sizes: Mapping[int, Counter[str]], share: float) -> None:
    """Moves single groups to the other side for as long as that brings the classes nearer to `share`, on the whole.

    Args:
        chosen: group -> whether it is held out; changed.
        sizes: class -> group -> how many samples of the class it has.
    """
    samples = sum(of_class.total() for of_class in sizes.values())
    held = {label: sum(n for key, n in of_class.items() if chosen[key]) for label, of_class in sizes.items()}
    classes: dict[str, list[int]] = {}
    for label, of_class in sizes.items():
        for key in of_class:
            classes.setdefault(key, []).append(label)

    def cost(label: int, count: int) -> float:
        total = sizes[label].total()
        one_sided = len(sizes[label]) > 1 and count in (0, total)
        return abs(count - share * total) + samples * one_sided

    moved = True
    while moved:
        moved = False
        for key in sorted(classes):
            sign = -1 if chosen[key] else 1
            after = {label: held[label] + sign * sizes[label][key] for label in classes[key]}
            if sum(cost(label, count) - cost(label, held[label]) for label, count in after.items()) < -1e-6:
                chosen[key], moved = not chosen[key], True
                held.update(after)


def nearest_sum(sizes: Sequence[int], wanted: int, low: int, high: int) -> set[int]:
    """Places of `sizes` whose sum is as near to `wanted` as can be, within [low, high] if any is; early places first.

    Each sum that can be reached remembers the place that reached it first, so that the way back is known.
    """
    reached, last = 1, {0: -1}  # bit s of `reached`: s is a sum of some of the sizes so far
    for place, size in enumerate(sizes):
        new = (reached << size) & ~reached
        reached |= new
        while new:
            total = (new & -new).bit_length() - 1
            last[total] = place
            new &= new - 1
        if wanted in last:
            break
    total = min(last, key=lambda total: (not low <= total <= high, abs(total - wanted), total))
    picked = set()
    while total:
        picked.add(last[total])
        total -= sizes[last[total]]
    return picked
