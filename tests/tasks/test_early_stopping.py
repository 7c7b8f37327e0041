"""When a training ends early."""

import math

import pytest

from paddlevideo.tasks.early_stopping import EarlyStopping


def run(section: EarlyStopping, figures: list[float]) -> tuple[int | None, float]:
    """(validations until the end, or None; the best figure then)."""
    best, waited = -math.inf, 0
    for number, figure in enumerate(figures, 1):
        best, waited = section.judge(figure, best, waited)
        if section.stops(waited):
            return number, best
    return None, best


@pytest.mark.parametrize(
    ("patience", "min_delta", "figures", "expected"),
    [
        (1, 0.0, [0.5, 0.5], (2, 0.5)),
        (2, 0.0, [0.5, 0.4, 0.6, 0.6, 0.5], (5, 0.6)),
        (2, 0.0, [0.5, 0.4, 0.6, 0.6, 0.7], (None, 0.7)),
        (3, 0.0, [0.0, 0.0, 0.0, 0.0], (4, 0.0)),
        # creeping on is no progress: each is compared with the last that was, 0.5
        (3, 0.125, [0.5, 0.5625, 0.59375, 0.625], (4, 0.5)),
        (3, 0.125, [0.5, 0.5625, 0.59375, 0.65625], (None, 0.65625)),
    ],
)
def test_runs(patience: int, min_delta: float, figures: list[float], expected: tuple[int | None, float]) -> None:
    assert run(EarlyStopping(patience, min_delta), figures) == expected


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"patience": 0}, "patience=0"), ({"patience": 1, "min_delta": -0.1}, "min_delta=-0.1"),
     ({"patience": 1, "min_delta": math.nan}, "min_delta=nan")],
)  # fmt: skip
def test_senseless_values_are_refused(settings: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        EarlyStopping(**settings)
