"""Pruning: what is given up, beside what, and with what."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import optuna
import pytest

from hydra_queue_sweeper.search.estimates import mean
from hydra_queue_sweeper.search.proposals import propose
from hydra_queue_sweeper.search.pruners import PRUNERS, make_pruner
from hydra_queue_sweeper.search.pruning import Comparison, Pruning
from hydra_queue_sweeper.search.space import Dimension, Interval
from hydra_queue_sweeper.search.trials import State, Trial, replicates
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.claiming import Claiming
from tests.support.made import make

STEPS = 40
BASES = (1.0, 3.0, 2.0, 1.5, 2.5, 1.2, 4.0, 2.2, 0.5, 3.5, 1.1, 2.7)
"""Of as many configurations, lower is better; the ninth is the best."""

Value = Callable[[int, str, int], float]
"""The objective of a configuration with a seed at a step."""


def steady(bases: Sequence[float]) -> Value:
    """Return objectives that fall alike with the steps, whatever the seed."""
    return lambda number, _, step: bases[number] * (1 + 1 / step)


def judging(sweep: SweepDirectory, reported: dict[str, dict[int, float]] | None = None) -> Pruning:
    """Return what judges the trials of a sweep whose jobs have reported something, by their directories."""
    plan = sweep.read_plan()
    return Pruning(plan, lambda: sweep.read_trials(plan), lambda trial: (reported or {}).get(trial.directory, {}))


def prune(path: Path, pruner: str, count: int, value: Value, seeds: int = 1) -> SweepDirectory:
    """Run all jobs of a sweep of so many configurations and seeds, one after the other."""
    numbers = Dimension("job", tuple(map(str, range(count))))
    sweep = make(path, [numbers, Dimension("seed", tuple(map(str, range(seeds))))], [])
    plan = replace(sweep.read_plan(), pruner=pruner)
    sweep.write_plan(plan)
    reported: dict[str, dict[int, float]] = {}
    pruning, queue = judging(sweep, reported), Claiming("directory").begin(sweep)
    while True:
        with queue.take() as trial:
            if trial is None:
                return sweep
            trial = replace(trial, directory=str(trial.number), steps=STEPS)
            sweep.write_trial(trial)
            number, mine = int(trial.overrides[0].partition("=")[2]), reported.setdefault(trial.directory, {})
            state: State = "finished"
            for step in range(1, STEPS + 1):
                mine[step] = value(number, trial.seed, step)
                if step < STEPS and pruning.give_up(trial, step, mine[step], STEPS):
                    state = "pruned"
                    break
            objective = mine[STEPS] if state == "finished" else None
            sweep.write_trial(replace(trial, state=state, objective=objective, seconds=float(len(mine))))


def lengths(sweep: SweepDirectory) -> dict[int, list[int]]:
    """Return the number of steps that the jobs of each configuration did, by its number."""
    groups = replicates(sweep.read_trials(sweep.read_plan()))
    return {number: [int(trial.seconds) for trial in group] for number, group in enumerate(groups)}


def finished(sweep: SweepDirectory) -> set[int]:
    """Return the configurations all of whose jobs have finished."""
    return {number for number, steps in lengths(sweep).items() if set(steps) == {STEPS}}


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_pruner_gives_up_what_is_clearly_worse_and_never_the_best(pruner: str, tmp_path: Path) -> None:
    bases = [*BASES, *[100.0] * 6]
    sweep = prune(tmp_path / "sweep", pruner, len(bases), steady(bases))
    assert 8 in finished(sweep), "the best was given up"
    bad = [steps for number, [steps] in lengths(sweep).items() if bases[number] == 100]
    assert min(bad) < STEPS / 2
    assert sum(bad) < 0.8 * STEPS * len(bad)


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_pruner_decides_as_plain_optuna_does_of_the_means(pruner: str, seeds: int, tmp_path: Path) -> None:
    """Seed after seed: a study for each, of the means of all seeds so far."""
    random = np.random.default_rng(5)
    noise = np.exp(0.3 * random.standard_normal((len(BASES), seeds, STEPS)))

    def value(number: int, seed: str, step: int) -> float:
        return BASES[number] * (1 + 1 / step) * float(noise[number, int(seed), step - 1])

    sweep = prune(tmp_path / "sweep", pruner, len(BASES), value, seeds)
    numbers = list(range(len(BASES)))
    Random(0).shuffle(numbers)
    expected = {number: [0] * seeds for number in numbers}
    for last in range(seeds):
        study = optuna.create_study(study_name="seed 0", pruner=make_pruner(pruner, STEPS))
        asked = [study.ask() for _ in BASES]
        for number in set(range(len(BASES))) - set(numbers):  # worse than any other, wherever they came to
            for step in range(1, max(expected[number]) + 1):
                asked[number].report(math.inf, step)
                _ = step < STEPS and asked[number].should_prune()
        for number in list(numbers):
            for step in range(1, STEPS + 1):
                values = [value(number, str(seed), step) for seed in range(last + 1)]
                asked[number].report(mean(values, logarithmic=True), step)
                expected[number][last] = step
                if step < STEPS and asked[number].should_prune():
                    numbers.remove(number)
                    break
            else:
                study.tell(asked[number], 1.0)
    assert lengths(sweep) == expected
    assert len(finished(sweep)) == len(numbers) < len(BASES)


@pytest.mark.parametrize("pruner", PRUNERS)
def test_configurations_are_compared_on_the_same_seeds(pruner: str, tmp_path: Path) -> None:
    """A seed whose data is harder for all costs nobody anything."""
    plain = prune(tmp_path / "plain", pruner, len(BASES), steady(BASES), seeds=2)
    harder = prune(
        tmp_path / "harder",
        pruner,
        len(BASES),
        lambda number, seed, step: steady(BASES)(number, seed, step) * (64 if seed == "1" else 1),
        seeds=2,
    )
    assert lengths(harder) == lengths(plain)
    assert 8 in finished(harder)


def test_a_configuration_is_given_up_with_all_its_seeds(tmp_path: Path) -> None:
    sweep = prune(tmp_path / "sweep", "median", len(BASES), steady(BASES), seeds=3)
    groups = replicates(sweep.read_trials(sweep.read_plan()))
    given_up = [group for group in groups if any(trial.state == "pruned" for trial in group)]
    assert 0 < len(given_up) < len(BASES)
    for group in given_up:
        first = next(trial for trial in group if trial.state == "pruned")
        others = group[group.index(first) + 1 :]
        assert {trial.state for trial in others} <= {"pruned"}
        assert {trial.reason for trial in others} <= {f"its configuration was given up with job {first.number}"}
        assert not any(trial.directory for trial in others), "a job of what was given up has begun"


def test_a_job_ends_once_a_replicate_of_it_was_given_up_or_diverged(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("seed", ("0", "1"))], [])
    sweep.write_plan(replace(sweep.read_plan(), pruner="median"))
    pruning = judging(sweep)
    first, second = (Trial(number, [f"seed={number}"], "running", directory=str(number)) for number in (0, 1))
    sweep.write_trial(first)
    sweep.write_trial(second)
    assert not pruning.give_up(second, 1, 1.0, STEPS)
    sweep.write_trial(replace(first, state="diverged"))
    assert judging(sweep).give_up(second, 2, 1.0, STEPS)


@pytest.mark.parametrize("pruner", PRUNERS)
def test_values_below_zero_can_be_compared(pruner: str, tmp_path: Path) -> None:
    """Not as logarithms: another program's objective may be anything."""
    lower = prune(tmp_path / "sweep", pruner, len(BASES), lambda *job: steady(BASES)(*job) - 1.5, seeds=2)
    assert 8 in finished(lower)
    assert len(finished(lower)) < len(BASES)


@pytest.mark.parametrize("pruner", PRUNERS)
def test_what_is_proposed_can_be_pruned(pruner: str, tmp_path: Path) -> None:
    rate = Dimension("optimizer.lr", interval=Interval(1e-5, 1e-1, integer=False, log=True))
    sweep = make(tmp_path / "sweep", [rate, Dimension("model.hidden_sizes", ("[64,32]", "[5]"))], [], total=16)
    plan = replace(sweep.read_plan(), pruner=pruner)
    sweep.write_plan(plan)
    pruning = judging(sweep)
    for number in range(16):
        overrides = propose(plan, number, sweep.read_trials(plan), lambda _: {}).overrides
        trial = Trial(number, overrides, "running", directory=str(number), steps=STEPS)
        sweep.write_trial(trial)
        pruning.give_up(trial, STEPS // 2, 1.0 + number, STEPS)
        ended = {"state": "pruned"} if number % 7 == 3 else {"state": "finished", "objective": 1.0 + number}
        sweep.write_trial(replace(trial, **ended))
    assert len(sweep.read_trials(plan)) == 16


def test_a_trial_is_compared_with_all_that_ended_before_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However short trials are: it looks as it begins to report, not only after a while."""
    monkeypatch.setattr("hydra_queue_sweeper.search.pruning.SECONDS_BETWEEN_LOOKS", 1e9)
    bases = [*BASES, *[100.0] * 3]
    sweep = prune(tmp_path / "sweep", "median", len(bases), steady(bases))
    assert len(finished(sweep)) < len(bases)


@pytest.mark.parametrize("pruner", PRUNERS)
def test_nothing_is_given_up_at_its_last_step(pruner: str) -> None:
    """Where pruners would else ask: of four steps, two of them do at each."""
    comparison = Comparison(pruner, 0)
    for number in range(30):
        comparison.show(number, {1: 1.0, 2: 1.0, 3: 1.0, 4: 1.0}, 4)
        comparison.complete(number, 1.0)
    worse = [{4: 9.0}, {1: 9.0, 2: 9.0}]
    asked = [[comparison.show(30 + 10 * late + n, reports, 4) for n in range(10)] for late, reports in enumerate(worse)]
    assert [any(one) for one in asked] == [False, True]
