"""Proposals of trials, and pruning."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from wavesweep.sweeps.study import Study

from tests.support.made import make
from wavesweep.search.space import Dimension, Interval, grid_overrides
from wavesweep.search.trials import State, Trial
from wavesweep.sweeps.composition import parse
from wavesweep.sweeps.store import SweepDirectory

RATE = Dimension("optimizer.lr", interval=Interval(1e-5, 1e-1, integer=False, log=True))
ORDER = Dimension("+model.order", interval=Interval(2, 90, integer=True, log=True))
WIDTH = Dimension("dataset.width", interval=Interval(-3, 3, integer=True, log=False))
SHARE = Dimension("model.dropout", interval=Interval(0.0, 0.5, integer=False, log=False))
SIZES = Dimension("model.hidden_sizes", ("[64,32]", "[5]", "a\\,b"))
EPOCHS = Dimension("training.epochs", ("10", "20", "40"), ordered=True)
FIXED = Dimension("model", ("tiny",))
ALL = [RATE, FIXED, ORDER, WIDTH, SHARE, SIZES, EPOCHS]


def outcome(overrides: list[str], number: int) -> dict[str, Any]:
    """Return how a job ended: the better, the nearer the learning rate is to 1e-2; some don't finish."""
    rate = next(float(text.split("=")[1]) for text in overrides if text.startswith("optimizer.lr="))
    ends: list[State] = ["failed", "diverged", "pruned"]
    if number % 7 == 3:
        return {"state": ends[number % 3]}
    return {"state": "finished", "objective": abs(math.log10(rate) + 2)}


def propose(sweep: SweepDirectory, count: int, fresh: bool) -> list[list[str]]:
    """Propose trials and end them, by one study or by a fresh one for each."""
    plan = sweep.read_plan()
    study = Study(sweep, plan, lambda _: {})
    for number in range(len(list(sweep.trials.glob("*.json"))), count):
        overrides = (Study(sweep, plan, lambda _: {}) if fresh else study).propose(number)
        sweep.write_trial(Trial(number, overrides, "running"))
        sweep.write_trial(Trial(number, overrides, **outcome(overrides, number)))
    return [trial.overrides for trial in sweep.read_trials(plan)]


def test_proposals_lie_within_bounds_and_are_what_they_should_be(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", ALL, [], total=40)
    proposed = propose(sweep, 40, fresh=False)
    columns = {one.key: [] for one in ALL}
    for overrides in proposed:
        assert [text.split("=", 1)[0] for text in overrides] == [one.key for one in ALL]
        for one, text, override in zip(ALL, overrides, parse(overrides), strict=True):
            columns[one.key].append(override.value())
            if one.interval is None:
                assert text.split("=", 1)[1] in one.values
            else:
                assert one.interval.low <= override.value() <= one.interval.high  # type: ignore[operator]
                assert type(override.value()) is (int if one.interval.integer else float)
    assert {len(set(map(str, columns[one.key]))) for one in (SIZES, EPOCHS)} == {3}
    assert len(set(columns["dataset.width"])) == 7
    assert 2 <= sum(rate < 1e-3 for rate in columns["optimizer.lr"][:10]) <= 8
    assert 2 <= sum(order < 13 for order in columns["+model.order"][:10]) <= 8, "half of 2 to 90 on a log scale"
    near = [abs(math.log10(rate) + 2) for rate in columns["optimizer.lr"]]
    assert sorted(near[20:])[10] < sorted(near[:10])[5], "it learns nothing"


def test_a_proposal_depends_on_the_trials_before_it_alone(tmp_path: Path) -> None:
    """Not on which process makes it, nor on what that has seen."""
    sweeps = [make(tmp_path / name, ALL, [], total=20) for name in "abc"]
    propose(sweeps[2], 13, fresh=False)
    found = [propose(sweep, 20, fresh) for sweep, fresh in zip(sweeps, (True, False, False), strict=True)]
    assert found[0] == found[1] == found[2]
    assert len({tuple(overrides) for overrides in found[0]}) == 20


def test_another_seed_proposes_otherwise(tmp_path: Path) -> None:
    first, second = (make(tmp_path / name, ALL, [], total=12) for name in ("first", "second"))
    second.write_plan(replace(second.read_plan(), seed=1))
    pairs = zip(propose(first, 12, fresh=False), propose(second, 12, fresh=False), strict=True)
    assert not any(one[0] == other[0] for one, other in pairs)


STEPS = 40
BASES = (1.0, 3.0, 2.0, 1.5, 2.5, 1.2, 4.0, 2.2, 0.5, 3.5, 1.1, 2.7)
"""Of as many jobs, lower is better; the ninth is the best."""


def prune(path: Path, pruner: str | None, bases: list[float], *, workers: int = 2) -> list[int]:
    """Run jobs one by one, `BASES` by the first worker and others by the last; return how many steps each did."""
    dimension = Dimension("seed", tuple(str(number) for number in range(len(bases))))
    sweep = make(path, [dimension], [])
    plan = replace(sweep.read_plan(), pruner=pruner)
    reported: dict[str, dict[int, float]] = {}
    studies = [Study(sweep, plan, lambda directory: reported.get(directory.name, {})) for _ in range(workers)]
    for number, base in enumerate(bases):
        trial = Trial(number, grid_overrides([dimension], number), "running", directory=str(number))
        sweep.write_trial(trial)
        mine, state = reported.setdefault(str(number), {}), "finished"
        for step in range(1, STEPS + 1):
            pruned, marks = studies[-1 if number >= len(BASES) else 0].give_up(
                trial, step, value := base * (1 + 1 / step), STEPS
            )
            mine[step] = value
            if marks != trial.marks:
                trial = replace(trial, marks=marks)
                sweep.write_trial(trial)
            if pruned:
                state = "pruned"
                break
        objective = min(mine.values()) if state == "finished" else None
        sweep.write_trial(replace(trial, state=state, objective=objective))
    return [len(mine) for mine in reported.values()]


@pytest.mark.parametrize("pruner", ["median", "successive_halving", "hyperband"])
def test_a_pruner_gives_up_what_is_clearly_worse_and_never_the_best(pruner: str, tmp_path: Path) -> None:
    lengths = prune(tmp_path / "sweep", pruner, [*BASES, *[100.0] * 6])
    assert lengths[8] == STEPS, "the best was given up"
    assert lengths[0] == STEPS, "nothing was there to be worse than"
    bad = lengths[len(BASES) :]
    assert min(bad) < STEPS / 2
    if pruner != "hyperband":  # some of whose brackets give up nothing
        assert max(bad) < STEPS


@pytest.mark.parametrize("pruner", ["median", "successive_halving", "hyperband"])
def test_what_is_proposed_can_be_pruned(pruner: str, tmp_path: Path) -> None:
    """With what the pruner remembers alone in the records: a sampler that learns leaves notes in the same place."""
    sweep = make(tmp_path / "sweep", [RATE, SIZES], [], total=16)
    plan = replace(sweep.read_plan(), pruner=pruner)
    study = Study(sweep, plan, lambda _: {})
    for number in range(16):
        trial = Trial(number, study.propose(number), "running", directory=str(number))
        sweep.write_trial(trial)
        _, marks = study.give_up(trial, STEPS // 2, 1.0 + number, STEPS)
        sweep.write_trial(replace(trial, **outcome(trial.overrides, number), marks=marks))
    assert len(sweep.read_trials(plan)) == 16


def test_no_pruner_gives_up_nothing(tmp_path: Path) -> None:
    assert set(prune(tmp_path / "sweep", None, [*BASES, 1e9])) == {STEPS}


def test_a_trial_is_compared_with_all_that_ended_before_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However short trials are: it looks as it begins to report, not only after a while."""
    monkeypatch.setattr("wavesweep.sweeps.study.SECONDS_BETWEEN_LOOKS", 1e9)
    lengths = prune(tmp_path / "sweep", "median", [*BASES, *[100.0] * 3], workers=1)
    assert max(lengths[len(BASES) :]) < STEPS
