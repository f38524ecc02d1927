"""Seasons are found where there are some, and nowhere else."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from statsmodels import datasets

from wavesweep.data.periods import find_seasons

Made = Callable[[np.random.Generator], np.ndarray]


def steps(number: int) -> np.ndarray:
    return np.arange(number)[:, None]


def wave(number: int, period: float) -> np.ndarray:
    return np.sqrt(2) * np.sin(2 * np.pi * steps(number) / period)


def weekdays(number: int) -> np.ndarray:
    return np.array([0.7, 0.7, 0.7, 0.7, 0.7, -1.4, -2.1])[steps(number) // 24 % 7]


def known(name: str) -> Any:
    return getattr(datasets, name).load_pandas().data


def found(series: list[np.ndarray], longest: int = 10**6, usual: tuple[int, ...] | None = None) -> tuple[int, ...]:
    return find_seasons([values / values.std(axis=0) for values in series], longest, usual)


def often(made: Made, seasons: tuple[int, ...], usual: tuple[int, ...] | None = None) -> float:
    """Return how often seasons are found in twenty random series."""
    series = [[made(np.random.default_rng(seed))] for seed in range(20)]
    return float(np.mean([found(one, usual=usual) == seasons for one in series]))


def year(draws: np.random.Generator, number: int) -> np.ndarray:
    """Return a season of twelve steps, of random shape, in noise of the same variance."""
    months = draws.normal(size=(12, 1))
    return np.resize((months - months.mean()) / months.std(), (number, 1)) + draws.normal(size=(number, 1))


def swings(draws: np.random.Generator, number: int) -> np.ndarray:
    """Return an autoregression that swings about every eight steps."""
    values = np.zeros((number + 100, 1))
    for step, shock in enumerate(draws.normal(size=len(values))):
        values[step] = shock + 1.9 * np.cos(np.pi / 4) * values[step - 1] - 0.9025 * values[step - 2]
    return values[100:]


SEASONAL: dict[str, tuple[Made, tuple[int, ...]]] = {
    "with noise": (lambda draws: wave(700, 24) + 0.7 * draws.normal(size=(700, 1)), (24,)),
    "with a trend": (lambda draws: wave(700, 24) + 0.7 * draws.normal(size=(700, 1)) + 0.02 * steps(700), (24,)),
    "on a random walk": (lambda draws: wave(700, 24) + 0.4 * draws.normal(size=(700, 1)).cumsum(axis=0), (24,)),
    "two": (lambda draws: wave(1100, 24) + 0.7 * wave(1100, 168) + 0.7 * draws.normal(size=(1100, 1)), (24, 168)),
    "weekdays too": (lambda draws: wave(1500, 24) + weekdays(1500) + 0.7 * draws.normal(size=(1500, 1)), (24, 168)),
    "of random shape": (lambda draws: year(draws, 100), (12,)),
}
USUAL: dict[str, tuple[Made, tuple[int, ...]]] = {
    "quarters": (lambda draws: wave(60, 4) + 0.3 * draws.normal(size=(60, 1)), (4,)),
    "months": (lambda draws: year(draws, 60), (12,)),
    "hours": (lambda draws: wave(400, 24) + weekdays(400) + draws.normal(size=(400, 1)), (24, 168)),
}
NOT_SEASONAL: dict[str, Made] = {
    "white noise": lambda draws: draws.normal(size=(500, 1)),
    "a cycle in a few swings": lambda draws: swings(draws, 50),
    "a cycle": lambda draws: swings(draws, 100),
    "random walk": lambda draws: draws.normal(size=(500, 1)).cumsum(axis=0),
    "random walks": lambda draws: draws.normal(size=(120, 3)).cumsum(axis=0),
    "integrated twice": lambda draws: draws.normal(size=(500, 1)).cumsum(axis=0).cumsum(axis=0),
}


def test_seasons_of_known_series() -> None:
    elnino = known("elnino").iloc[:, 1:].to_numpy().reshape(-1, 1)
    carbon = known("co2")[["co2"]].interpolate().to_numpy()
    inflation = known("macrodata")[["infl"]].to_numpy()
    assert (found([elnino]), found([carbon]), found([inflation])) == ((12,), (52,), ())


@pytest.mark.parametrize("name", SEASONAL)
def test_seasons_are_found(name: str) -> None:
    made, seasons = SEASONAL[name]
    assert often(made, seasons) >= 0.9


@pytest.mark.parametrize("name", USUAL)
def test_usual_seasons_are_found_in_short_series(name: str) -> None:
    made, seasons = USUAL[name]
    assert often(made, seasons, usual=seasons) >= 0.9


@pytest.mark.parametrize("usual", [None, pytest.param((), marks=pytest.mark.slow), (12,)])
@pytest.mark.parametrize("name", NOT_SEASONAL)
def test_where_there_is_none_there_is_none(name: str, usual: tuple[int, ...] | None) -> None:
    assert often(NOT_SEASONAL[name], (), usual) >= 0.9


def test_a_season_against_usage_takes_overwhelming_evidence() -> None:
    draws = np.random.default_rng(0)
    months = year(draws, 60)
    assert found([months]) == (12,)
    assert found([months], usual=()) == ()
    assert found([year(draws, 300)], usual=()) == (12,)


def test_series_that_share_their_shocks_are_no_more_sure_than_one() -> None:
    """The chance season of one series, which it is a hundred times as well in copies of it."""
    alone = [[np.random.default_rng(seed).normal(size=(60, 1))] for seed in range(40)]
    copies = [one * 10 for one in alone]
    assert sum(found(one, usual=(12,)) != () for one in copies) <= 2


def test_many_series_tell_what_one_does_not() -> None:
    draws = np.random.default_rng(0)
    shops = [wave(48, 12) / 2 + draws.normal(size=(48, 1)) for _ in range(30)]
    assert found(shops[:1], usual=(12,)) == ()
    assert found(shops, usual=(12,)) == (12,)


def test_the_season_of_a_wave_is_its_period_and_no_multiple_that_fits_better() -> None:
    """Of 125.66 steps, three periods are nearly whole, 376.99."""
    time = steps(1000)
    assert found([np.sin((time + shift) / 20) for shift in (0, 7, 31)]) == (126,)
    assert found([np.cos(np.sin((time + shift) / 20) ** 2) for shift in (0, 7, 31)]) == (63,)


def test_series_of_unequal_lengths_tell_together() -> None:
    draws = np.random.default_rng(0)
    lengths = (40, 61, 90, 170)
    assert found([wave(length, 12) + 0.7 * draws.normal(size=(length, 1)) for length in lengths]) == (12,)


@pytest.mark.parametrize(("lengths", "noise"), [((42,), 0.1), ((60,), 0.1), ((100,), 0.1), ((42,) * 10, 0.5)])
def test_an_uneven_season_is_found_in_a_few_cycles(lengths: tuple[int, ...], noise: float) -> None:
    """As that of sales, which has its peak in December: most of its harmonics are of one height."""
    year = np.array([-1, -1.2, -0.3, 0, 0.2, 0.4, 0.1, -0.2, 0, 0.3, 0.9, 2.0])
    draws = np.random.default_rng(1)
    shops = [np.resize(year, (number, 1)) + noise * draws.normal(size=(number, 1)) for number in lengths]
    assert found([shop + 0.03 * steps(len(shop)) for shop in shops]) == (12,)


def test_a_season_has_two_cycles_and_keeps_to_the_bound() -> None:
    series = [wave(400, 50)]
    assert found(series, longest=50) == (50,)
    assert found(series, longest=49) == ()
    assert found([wave(99, 50)]) == ()
    assert find_seasons([steps(3) % 2.0], 9) == find_seasons([np.ones((1, 2))], 9) == ()


def test_lines_and_constants_have_no_season() -> None:
    assert find_seasons([0.01 * steps(300) + 4], 100) == ()
    assert find_seasons([np.ones((300, 2))], 100) == ()


def test_neither_scale_nor_level_of_all_matters() -> None:
    series = [wave(300, 25) + np.random.default_rng(0).normal(size=(300, 3))]
    assert find_seasons(series, 100) == find_seasons([1e6 * series[0] - 1e7], 100) == (25,)


def test_no_channel_outweighs_the_others() -> None:
    noise = np.random.default_rng(0).normal(size=(700, 1))
    assert found([np.concatenate([wave(700, 25), 1000 * noise], axis=1)]) == (25,)
