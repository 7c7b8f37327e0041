"""Which samples are held out: whole groups, the right share of each class."""

import itertools
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddlevideo.loader.split import group_of, held_out
from paddlevideo.utils.errors import UserError


@pytest.mark.parametrize(
    ("path", "pattern", "key"),
    [
        ("Archery/v_Archery_g08_c01.avi", None, "Archery/v_Archery_g08"),
        ("HandstandPushups/v_HandStandPushups_g25_c07", None, "HandstandPushups/v_HandStandPushups_g25"),
        ("waving/a_g1.mp4", None, "waving/a_g1.mp4"),
        ("waving/person12_d3.avi", r"person(\d+)", "12"),
        ("waving/person12_d3.avi", r"person\d+", "person12"),
        ("waving/person12_d3.avi", r"(person\d+)_(d\d)(x)?", "person12\nd3\n"),
        ("waving/a.avi", r"person\d+", "waving/a.avi"),
    ],
)
def test_groups(path: str, pattern: str | None, key: str) -> None:
    assert group_of(path, pattern) == key


def test_no_regular_expression() -> None:
    with pytest.raises(UserError, match=r"^group 'person\(': not a regular expression \(missing \)"):
        group_of("a", "person(")


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5])
def test_a_share_outside_its_range(share: float) -> None:
    with pytest.raises(ValueError, match=f"exclusive; got {share}"):
        held_out(["a", "b"], [0, 0], share, 0)


@pytest.mark.parametrize(
    ("sizes", "share", "expected"),
    [
        ([1] * 10, 0.2, 2),
        ([1] * 2, 0.2, 1),
        ([1], 0.9, 0),
        ([5], 0.5, 0),
        ([6, 3, 1], 0.4, 4),
        ([7, 2, 1], 0.5, 3),  # 3 and 7 are as near: the smaller
        ([9, 1], 0.5, 1),
        ([50, 50], 0.1, 50),
        ([4, 4, 4, 5], 0.3, 5),
        ([100] + [1] * 10, 0.5, 10),
    ],
)
def test_as_near_as_the_groups_allow(sizes: list[int], share: float, expected: int) -> None:
    keys = [f"group {i}" for i, size in enumerate(sizes) for _ in range(size)]
    for seed in range(5):
        assert held_out(keys, [3] * len(keys), share, seed).sum() == expected


def test_the_order_of_a_list_does_not_matter_and_the_seed_does() -> None:
    keys = [f"{i}" for i in range(60)]
    labels = [i % 3 for i in range(60)]
    first = {key for key, held in zip(keys, held_out(keys, labels, 0.3, 0)) if held}
    order = random.Random(5).sample(range(60), 60)
    again = held_out([keys[i] for i in order], [labels[i] for i in order], 0.3, 0)
    assert {keys[i] for i, held in zip(order, again) if held} == first
    assert {key for key, held in zip(keys, held_out(keys, labels, 0.3, 1)) if held} != first


def test_another_class_does_not_change_the_choice() -> None:
    keys = [f"{i}" for i in range(20)]
    alone = held_out(keys[:10], [0] * 10, 0.3, 0)
    np.testing.assert_array_equal(held_out(keys, [0] * 10 + [1] * 10, 0.3, 0)[:10], alone)


def test_every_group_has_its_chance() -> None:
    keys = [f"{i}" for i in range(5)]
    times = np.sum([held_out(keys, [0] * 5, 0.2, seed) for seed in range(200)], axis=0)
    assert times.sum() == 200 and times.min() >= 20


def test_people_who_do_everything_are_on_one_side() -> None:
    people = [f"person {i}" for i in range(10)]
    keys = people * 4
    held = held_out(keys, list(np.repeat(range(4), 10)), 0.2, 0)
    assert Counter(key for key, out in zip(keys, held) if out) == Counter(dict.fromkeys(set(np.array(keys)[held]), 4))
    assert held.reshape(4, 10).sum(axis=1).tolist() == [2, 2, 2, 2]


@settings(max_examples=150, deadline=None)
@given(st.data(), st.floats(0.01, 0.99), st.integers(0, 99))
def test_any_groups(data: st.DataObject, share: float, seed: int) -> None:
    sizes = data.draw(st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=6), min_size=1, max_size=4))
    samples = [(f"{c} {g}", c) for c, of in enumerate(sizes) for g, size in enumerate(of) for _ in range(size)]
    samples = data.draw(st.permutations(samples))
    keys, labels = [key for key, _ in samples], [label for _, label in samples]
    held = held_out(keys, labels, share, seed)
    assert held.shape == (len(samples),) and held.dtype == bool
    assert not set(np.array(keys)[held]) & set(np.array(keys)[~held])
    for c, of in enumerate(sizes):
        count = sum(out for out, label in zip(held, labels) if label == c)
        possible = {sum(some) for k in range(1, len(of)) for some in itertools.combinations(of, k)} or {0}
        wanted = min(max(round(sum(of) * share), 1), sum(of) - 1)
        assert abs(count - wanted) == min(abs(other - wanted) for other in possible)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3)), min_size=1, max_size=40), st.integers(0, 9))
def test_groups_of_several_classes_are_not_parted_either(samples: list[tuple[int, int]], seed: int) -> None:
    """Nor does moving any one of them improve the shares."""
    keys, labels = np.array([key for key, _ in samples]), np.array([label for _, label in samples])
    held = held_out([str(key) for key in keys], labels.tolist(), 0.3, seed)
    assert not set(keys[held]) & set(keys[~held])

    def cost(held: np.ndarray) -> float:
        total = 0.0
        for label in set(labels):
            mine = labels == label
            one_sided = len(set(keys[mine])) > 1 and held[mine].sum() in (0, mine.sum())
            total += abs(held[mine].sum() - 0.3 * mine.sum()) + len(keys) * one_sided
        return total

    if len(set(samples)) > len(set(keys)):
        for key in set(keys):
            assert cost(np.where(keys == key, ~held, held)) > cost(held) - 1e-5


def test_no_class_goes_short_for_another() -> None:
    groups = {"a": [0, 1], "b": [0, 2], "c": [0, 1], "d": [1, 2], "e": [2]}
    pairs = [(key, label) for key, labels in groups.items() for label in labels]
    for seed in range(20):
        held = held_out([key for key, _ in pairs], [label for _, label in pairs], 0.4, seed)
        counts = Counter(label for (_, label), out in zip(pairs, held) if out)
        assert {counts[label] for label in range(3)} <= {1, 2}


def test_a_large_class_of_many_groups() -> None:
    sizes = [1 + i % 7 for i in range(20000)]
    keys = [f"{i}" for i, size in enumerate(sizes) for _ in range(size)]
    assert held_out(keys, [0] * len(keys), 0.1, 0).sum() == round(len(keys) * 0.1)
