"""Laws of the generators: one suite for all, and what is particular to each."""

import numpy as np
import pytest

from tests.support.parts import composed
from wavesweep.config.resolve import outline
from wavesweep.data.dataset import Source

ALL = [
    ("dataset=sine", "dataset.width=3"),
    ("dataset=cos_sin_squared", "dataset.width=3"),
    ("dataset=linear_noise",),
    ("dataset=linear_noise", "dataset.noise_per=step"),
]


def opened(*overrides: str) -> Source:
    return outline(composed("dataset.num_series=5", "dataset.length=40", *overrides)).division.source


@pytest.mark.parametrize("overrides", ALL, ids=" ".join)
class TestEveryGenerator:
    def test_shapes(self, overrides: tuple[str, ...]) -> None:
        observed, continuation = opened(*overrides).load(13)
        assert observed.shape == (5, 40, 1)
        assert continuation.shape == (5, 13, 1)
        assert observed.dtype == continuation.dtype == np.float64

    def test_the_same_seed_gives_the_same_data_and_another_seed_others(self, overrides: tuple[str, ...]) -> None:
        first, again, other = (opened(*overrides, f"seed={seed}").load(7)[0] for seed in (0, 0, 1))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_its_own_seed_fixes_the_data_whatever_the_run_does(self, overrides: tuple[str, ...]) -> None:
        first, other = (opened(*overrides, "dataset.seed=3", f"seed={seed}").load(7)[0] for seed in (0, 1))
        assert np.array_equal(first, other)

    def test_a_longer_continuation_changes_nothing_before_it(self, overrides: tuple[str, ...]) -> None:
        (observed, short), (same, long) = (opened(*overrides).load(steps) for steps in (6, 20))
        assert np.array_equal(observed, same)
        assert np.array_equal(short, long[:, :6])

    def test_further_series_leave_the_first_ones_alone(self, overrides: tuple[str, ...]) -> None:
        few, many = (opened(*overrides, f"dataset.validation_series={more}").load(7) for more in (0, 3))
        assert np.array_equal(few[0], many[0][:5])
        assert np.array_equal(few[1], many[1][:5])


@pytest.mark.parametrize(("name", "period"), [("sine", 2 * np.pi), ("cos_sin_squared", np.pi)])
def test_a_wave_repeats_after_its_period(name: str, period: float) -> None:
    width = 40 / period  # makes the period 40 steps
    observed, continuation = opened(f"dataset={name}", f"dataset.width={width}").load(40)
    np.testing.assert_allclose(continuation, observed, atol=1e-12)


def test_waves_are_shifted_by_whole_steps_within_four_widths() -> None:
    observed, _ = opened("dataset.width=3", "dataset.num_series=200").load(0)
    possible = np.sin(np.arange(-12, 12) / 3)
    distance = np.abs(observed[:, 0] - possible).min(axis=1)
    assert distance.max() < 1e-12
    assert len(np.unique(observed[:, 0])) > 12


def test_noise_once_a_series_leaves_a_line() -> None:
    observed, continuation = opened("dataset=linear_noise").load(9)
    steps = np.diff(np.concatenate([observed, continuation], axis=1), axis=1)
    np.testing.assert_allclose(steps, 1.6)
    assert np.ptp(observed[:, 0]) > 0.1


def test_noise_per_step_has_the_mean_and_spread_given() -> None:
    observed, _ = opened("dataset=linear_noise", "dataset.noise_per=step", "dataset.num_series=500").load(0)
    noise = observed[..., 0] - 1.6 * np.arange(40) - 4
    assert abs(noise.mean() - 10) < 0.05
    assert abs(noise.std() - 1) < 0.05
