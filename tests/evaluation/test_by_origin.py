"""Errors by origin, as runs keep them: what they say of runs on the same data, and of others nothing."""

import math
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.damage import bytes_of
from wavesweep.data.parts import Part
from wavesweep.evaluation.by_origin import (
    MOST_ORIGINS,
    ErrorsByOrigin,
    compare_runs,
    errors_by_origin,
    pack,
    unpack,
)
from wavesweep.evaluation.comparison import compare

PART = b"p" * 32


def part(origins: int, horizon: int = 3, stride: int = 1, seed: int = 0) -> Part:
    """Return windows of two channels, the first of which is scored."""
    truth = np.random.default_rng(seed).normal(size=(origins, horizon, 2))
    start = stride * np.arange(origins)
    return Part(truth[:, :0], truth, start, np.zeros(origins, int), slice(0), np.array([0]), start, stride=stride)


def drawn(origins: int, seed: int = 0, level: float = 1.0) -> np.ndarray:
    """Return errors that go on from origin to origin."""
    values = np.random.default_rng(seed).normal(size=origins + 11) ** 2
    return level * np.convolve(values, np.ones(12) / 12, "valid")


def kept(errors: np.ndarray, overlap: int = 12, digest: bytes = PART) -> ErrorsByOrigin:
    return ErrorsByOrigin(errors, overlap, digest)


@pytest.mark.parametrize("origins", [20, MOST_ORIGINS, MOST_ORIGINS + 1, 3 * MOST_ORIGINS + 7])
def test_the_mean_over_origins_stays_however_many_there_are(origins: int) -> None:
    found = errors_by_origin(drawn(origins), part(origins))
    assert found
    assert len(found.errors) == min(origins, MOST_ORIGINS)
    assert found.errors.mean() == pytest.approx(drawn(origins).mean(), rel=1e-12)
    assert len(pack(found)) < 1 << 14


@pytest.mark.parametrize("seed", range(5))
def test_many_origins_put_together_tell_what_all_do(seed: int) -> None:
    origins, horizon = 2500, 24
    errors, others = drawn(origins, seed, 1.1), drawn(origins, seed + 100)
    _, every = compare(errors, others, horizon)
    few = [errors_by_origin(one, part(origins, horizon)) for one in (errors, others)]
    assert few[0]
    assert few[1]
    found = compare_runs(few[:1], few[1:], 0.95)  # type: ignore[arg-type]
    assert every
    assert found
    assert found == pytest.approx((errors.mean() / others.mean(), 1 - every[1], 1 - every[0]), rel=0.01)


def test_origins_that_are_too_few_to_tell_leave_nothing() -> None:
    assert errors_by_origin(drawn(5), part(5, horizon=3)) is None
    assert errors_by_origin(drawn(6), part(6, horizon=3))


def test_runs_are_of_the_same_part_where_the_same_is_forecast_from_the_same_origins() -> None:
    one = part(30)
    observed = np.ones(one.truth.shape, bool)
    observed[4, 1, 0] = False
    others = [
        part(30, seed=1),
        part(30, stride=2),
        replace(one, targets=np.array([1])),
        replace(one, observed=observed),
        replace(one, series=np.ones(30, int)),
        replace(one, truth=one.truth.reshape(30, 2, 3), observed=np.array(True)),
    ]
    digests = {found.part for some in (one, *others) if (found := errors_by_origin(drawn(30), some))}
    assert len(digests) == 7
    longer_context = replace(one, context=np.zeros((30, 5, 2)), start=one.start - 5)
    found = errors_by_origin(drawn(30), longer_context)
    assert found
    assert found.part == errors_by_origin(drawn(30), one).part  # type: ignore[union-attr]


def test_what_is_read_is_what_was_kept() -> None:
    found = unpack(pack(kept(drawn(30))))
    assert (found.overlap, found.part) == (12, PART)
    assert found.errors.tolist() == drawn(30).tolist()


@given(bytes_of(pack(kept(drawn(30)))))
def test_any_other_bytes_are_refused_or_of_that_kind(content: bytes) -> None:
    with suppress(ValueError):
        found = unpack(content)
        assert (found.errors >= 0).all()
        assert found.overlap >= 1


@pytest.mark.parametrize(
    "strange",
    [
        kept(np.array([1.0, math.nan])),
        kept(np.array([1.0, -1.0])),
        kept(np.ones(MOST_ORIGINS + 1)),
        kept(np.ones((2, 2))),
        kept(np.ones(0)),
        kept(np.ones(3, np.float32)),
        kept(np.ones(3), overlap=0),
        kept(np.ones(3), digest=b"short"),
    ],
)
def test_what_no_run_leaves_is_refused(strange: ErrorsByOrigin) -> None:
    with pytest.raises(ValueError, match="it must hold"):
        unpack(pack(strange))


def test_one_run_each_are_compared_as_forecasts_are() -> None:
    errors, others = drawn(200, 0, 1.5), drawn(200, 1)
    gain, interval = compare(errors, others, 12)
    assert interval
    found = compare_runs([kept(errors)], [kept(others)], 0.95)
    assert found == pytest.approx((1 - gain, 1 - interval[1], 1 - interval[0]))


def test_seeds_count_alike_whatever_their_errors() -> None:
    """As they do in a geometric mean: what makes one seed hard for both changes nothing."""
    mine, best = [drawn(200, seed) for seed in (0, 1, 2)], [drawn(200, seed) for seed in (3, 4, 5)]
    hard = (1.0, 1e-6, 1e3)
    alike, unlike = (
        compare_runs(
            [kept(one * factor) for one, factor in zip(mine, factors, strict=True)],
            [kept(one * factor) for one, factor in zip(best, factors, strict=True)],
            0.95,
        )
        for factors in ((1.0, 1.0, 1.0), hard)
    )
    assert alike
    assert unlike == pytest.approx(alike)
    ratios = [one.mean() / other.mean() for one, other in zip(mine, best, strict=True)]
    assert alike[0] == pytest.approx(math.prod(ratios) ** (1 / 3))


@given(st.floats(1.01, 1e6))
def test_what_errs_so_many_times_as_much_at_each_origin_is_told_from_it(factor: float) -> None:
    errors = drawn(100)
    found = compare_runs([kept(factor * errors)], [kept(errors)], 0.95)
    assert found == pytest.approx((factor, factor, factor))
    same = compare_runs([kept(errors)], [kept(errors)], 0.95)
    assert same == pytest.approx((1, 1, 1))


def test_runs_on_other_data_are_not_compared() -> None:
    one = kept(drawn(100))
    others = [replace(one, part=b"q" * 32), replace(one, overlap=11), kept(drawn(99)), kept(np.zeros(100))]
    assert [compare_runs([one], [other], 0.95) for other in others] == [None] * 4
    assert compare_runs([one, others[0]], [one, one], 0.95) is None, "all seeds must be of it"
    assert compare_runs([kept(drawn(20))], [kept(drawn(20))], 0.95) is None, "too few to tell"
