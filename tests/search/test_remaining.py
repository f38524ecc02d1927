"""The estimate of the time that a sweep still needs: laws that it must obey."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydra_queue_sweeper.search.remaining import Values, Work, seconds_left

SIZES, RATES = (2, 4, 64), ("1e-3", "1e-2", "1e-1", "1")
JOBS: list[Values] = [{"size": size, "rate": rate} for size, rate in product(SIZES, RATES)]


def seconds(values: Values) -> float:
    """Return what a job takes whose sizes multiply."""
    return float(values["size"]) * (1 + RATES.index(str(values["rate"])))


spent = st.just(0.0) | st.floats(0.01, 1e4)
works = st.builds(
    lambda values, seconds, done: Work(values, seconds, done / 20),
    st.sampled_from(JOBS),
    spent,
    st.integers(0, 20),
)
ended = st.lists(st.builds(lambda *of: Work(*of), st.sampled_from([*JOBS, {}]), spent), max_size=9)
waiting = st.lists(st.sampled_from([*JOBS, {}]), max_size=9)


def test_nothing_is_said_before_anything_is_known() -> None:
    job = JOBS[0]
    assert seconds_left([], [], JOBS, 0) == math.inf
    assert seconds_left([], [Work(job, 5.0, 0.0)], JOBS[1:], 1) == math.inf, "it has not reported yet"
    assert seconds_left([Work(job, 0.0)], [], JOBS[1:], 1) == math.inf, "given up before it began"
    assert seconds_left([Work(job, 5.0)], [], JOBS[1:], 0) == math.inf, "no worker has come yet"


@given(ended)
def test_it_ends_at_0(known: list[Work]) -> None:
    assert seconds_left(known, [], [], 2) == 0.0
    if known:
        assert seconds_left(known, [Work(JOBS[0], 9.0, 1.0)], [], 1) in (0.0, math.inf)


@given(ended, st.lists(works, max_size=3), waiting, st.floats(0.5, 2.0))
def test_a_machine_that_is_slower_by_a_factor_takes_that_factor(
    known: list[Work], running: list[Work], others: list[Values], factor: float
) -> None:
    left = seconds_left(known, running, others, 3)
    known, running = ([one._replace(seconds=one.seconds * factor) for one in some] for some in (known, running))
    slower = seconds_left(known, running, others, 3)
    assert left >= 0.0
    if left == math.inf:
        assert slower == math.inf
    else:
        assert slower == pytest.approx(factor * left, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("steps", [10, 20])
def test_of_twice_the_epochs_twice_the_time_is_left(steps: int) -> None:
    running = Work({}, seconds=6.0, done=2 / steps)
    assert seconds_left([], [running], [], 1) == pytest.approx(3.0 * (steps - 2))


def test_sizes_that_multiply_are_recovered() -> None:
    known = [values for values in JOBS if values["size"] == 2 or values["rate"] == "1e-3"]
    others = [values for values in JOBS if values not in known]
    ended = [Work(values, seconds(values)) for values in known]
    for values in others:
        assert seconds_left(ended, [], [values], 1) == pytest.approx(seconds(values))
    assert seconds_left(ended, [], others, 1) == pytest.approx(sum(map(seconds, others)))


@pytest.mark.parametrize("progress", ["one has ended", "one has begun"])
def test_large_models_that_come_last_are_not_taken_for_small_ones(progress: str) -> None:
    small = [Work(values, seconds(values)) for values in JOBS if values["size"] == 2]
    first, *others = [values for values in JOBS if values["size"] == 64]
    if progress == "one has ended":
        left = seconds_left([*small, Work(first, seconds(first))], [], others, 1)
    else:
        left = seconds_left(small, [Work(first, 0.01 * seconds(first), 0.01)], others, 1)
        left -= 0.99 * seconds(first)
    assert left == pytest.approx(sum(map(seconds, others)))


def test_what_pruning_saves_is_seen_and_a_mean_is_that_of_seconds() -> None:
    """Of one value all jobs are given up after a tenth; of jobs that nobody knows yet, the mean is expected."""
    ended = [Work({"rate": rate}, spent) for rate, spent in (("good", 10.0), ("bad", 1.0)) for _ in range(5)]
    assert seconds_left(ended, [], [{"rate": "bad"}] * 7, 1) == pytest.approx(7.0)
    assert seconds_left(ended, [], [{}] * 7, 1) == pytest.approx(7 * 5.5)
    before_they_began = [Work({"rate": "bad"}, 0.0)] * 5
    fewer = seconds_left([*ended, *before_they_began], [], [{"rate": "bad"}] * 7, 1)
    assert fewer < 7.0, "some of them will be given up before they begin"


def test_workers_share_what_waits_and_the_longest_job_bounds_the_end() -> None:
    ended = [Work({"size": size}, float(size)) for size in (1, 8)]
    assert seconds_left(ended, [], [{"size": 1}] * 8, 4) == pytest.approx(2.0)
    running = [Work({"size": 8}, 4.0, 0.5), Work({"size": 1}, 0.5, 0.5)]
    assert seconds_left(ended, running, [{"size": 1}] * 2, 2) == pytest.approx(4.0)
    assert seconds_left(ended, running, [{"size": 1}] * 2, 1) != pytest.approx(2.0)


def test_the_further_a_job_is_the_more_its_own_pace_counts() -> None:
    """One job is four times as slow as its like: it is taken for that, however its like ended."""
    ended = [Work({"size": 1}, 10.0)] * 50
    errors = []
    for done in (0.1, 0.5, 0.9):
        left = seconds_left(ended, [Work({"size": 1}, done * 40.0, done)], [], 1)
        errors.append(abs(left / ((1 - done) * 40.0) - 1))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.1


def test_a_job_that_has_hardly_begun_counts_little() -> None:
    ended = [Work({"size": size}, float(size)) for size in (1, 8) for _ in range(5)]
    slow_to_start = Work({"size": 8}, 1.6, 0.02)
    assert seconds_left(ended, [slow_to_start], [{"size": 1}] * 1000, 1) == pytest.approx(1000, rel=0.05)


def test_a_job_that_reports_nothing_ends_as_its_like_did() -> None:
    ended = [Work({"size": 1}, 10.0)]
    assert seconds_left(ended, [Work({"size": 1}, 4.0, 0.0)], [], 1) == pytest.approx(6.0)
    assert seconds_left(ended, [Work({"size": 1}, 14.0, 0.0)], [], 1) == 0.0
