"""What is proposed equals what plain Optuna proposes on the same history."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from hydra_queue_sweeper.search.estimates import mean
from hydra_queue_sweeper.search.growth import grow
from hydra_queue_sweeper.search.proposals import ask_sampler, propose, summarize
from hydra_queue_sweeper.search.samplers import SAMPLERS, make_sampler
from hydra_queue_sweeper.search.space import Dimension, Interval
from hydra_queue_sweeper.search.trials import State, Trial
from hydra_queue_sweeper.sweeps.dimensions import parse
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.made import make

RATE = Dimension("lr", interval=Interval(1e-4, 1e-1, integer=False, log=True))
SHARE = Dimension("dropout", interval=Interval(0, 1, integer=False, log=False))
MODEL = Dimension("model", ("tiny", "small", "large"))
SEEDS = Dimension("seed", ("3", "5", "8"))
SPACE = {
    "lr": FloatDistribution(1e-4, 1e-1, log=True),
    "dropout": FloatDistribution(0, 1),
    "model": CategoricalDistribution(range(3)),
}
FEW = Dimension("n", interval=Interval(1, 6, integer=True, log=False))
COUNT = 30


def errors(lr: float, dropout: float, model: int) -> list[float]:
    """Return a configuration's error by seed."""
    return [(1 + dropout) * (lr / 1e-2 + 1e-2 / lr) * (1 + model) * factor for factor in (1, 7, 0.2)]


def by_optuna(sampler: str) -> list[dict[str, float]]:
    """Return what a study proposes that is told means over seeds; some diverge, which Optuna knows as pruned."""
    study, proposed = optuna.create_study(), []
    for number in range(COUNT):
        if sampler != "qmc" or not number:  # which counts
            study.sampler = make_sampler(sampler, 4, number, {})
        trial = study.ask(SPACE)
        proposed.append(trial.params)
        if number % 7 == 3:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, mean(errors(**trial.params), logarithmic=True))
    return proposed


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_proposal_is_that_of_plain_optuna(sampler: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each by another process, each configuration run on all seeds."""
    sweep = make(tmp_path_factory.mktemp(sampler) / "sweep", [RATE, SHARE, SEEDS, MODEL], [], total=3 * COUNT)
    plan = replace(sweep.read_plan(), seed=4, sampler=sampler)
    found = []
    for number in range(0, 3 * COUNT, 3):
        overrides = propose(plan, number, sweep.read_trials(plan), lambda _: {}).overrides
        lr, dropout, seed, model = (text.partition("=")[2] for text in overrides)
        params = {"lr": float(lr), "dropout": float(dropout), "model": MODEL.values.index(model)}
        assert seed == "3"
        found.append(params)
        for replicate, error in enumerate(errors(**params)):
            trial = plan.replicate(Trial(number, overrides), number + replicate)
            diverged = (number // 3) % 7 == 3 and replicate == 1
            end = {"state": "diverged"} if diverged else {"state": "finished", "objective": error}
            sweep.write_trial(replace(trial, **end))
    assert found == by_optuna(sampler)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_of_few_values_some_are_proposed_again_as_by_plain_optuna(sampler: str, tmp_path: Path) -> None:
    """And a sweep that asks for no more does not grow by those."""
    sweep = make(tmp_path / "sweep", [FEW, Dimension("seed", ("0", "1"))], [], total=2 * COUNT)
    plan = replace(sweep.read_plan(), sampler=sampler)
    study, found, expected = optuna.create_study(), [], []
    for number in range(COUNT):
        study.sampler = make_sampler(sampler, 0, number, {})
        trial = study.ask({"n": IntDistribution(1, 6)})
        expected.append(trial.params["n"])
        study.tell(trial, abs(expected[-1] - 3) + 1.0)
        overrides = propose(plan, 2 * number, sweep.read_trials(plan), lambda _: {}).overrides
        found.append(int(overrides[0].removeprefix("n=")))
        for replicate in (2 * number, 2 * number + 1):
            one = plan.replicate(Trial(2 * number, overrides), replicate)
            sweep.write_trial(replace(one, state="finished", objective=abs(found[-1] - 3) + 1.0))
    assert found == expected
    assert len(set(found)) > 3
    trials = sweep.read_trials(plan)
    assert grow(plan, trials, [FEW], "", n_trials=COUNT, top=None) == plan
    best = grow(plan, trials, [Dimension("seed", ("2",))], "", n_trials=None, top=2)
    assert best.n_trials == plan.n_trials + 2, "two configurations, though the best ran more than once"


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_another_seed_proposes_otherwise(sampler: str) -> None:
    tried = create_trial(value=1.0, params={"lr": 1e-3, "dropout": 0.5, "model": 0}, distributions=SPACE)
    first, second = (ask_sampler([RATE, SHARE, MODEL], [tried], sampler, seed, {}).values for seed in (0, 1))
    assert first["lr"] != second["lr"]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_what_was_proposed_before_counts_again(sampler: str, tmp_path: Path) -> None:
    """A sweep of three values proposes each of them, as plain Optuna does, rather than one for ever."""
    size = Dimension("size", interval=Interval(2, 4, integer=True, log=False))
    sweep = make(tmp_path / "sweep", [size, SEEDS], [], total=3 * 12)
    plan = replace(sweep.read_plan(), seed=4, sampler=sampler)
    study, found, expected = optuna.create_study(), [], []
    for number in range(12):
        [text, _] = propose(plan, 3 * number, sweep.read_trials(plan), lambda _: {}).overrides
        value = int(text.partition("=")[2])
        found.append(value)
        for place, seed in enumerate(SEEDS.values):
            sweep.write_trial(Trial(3 * number + place, [text, f"seed={seed}"], "finished", float(value)))
        if sampler != "qmc" or not number:  # which counts
            study.sampler = make_sampler(sampler, 4, number, {})
        trial = study.ask({"size": IntDistribution(2, 4)})
        expected.append(trial.params["size"])
        study.tell(trial, float(trial.params["size"]))
    assert found == expected
    assert set(found) == {2, 3, 4}


LR = Dimension("optimizer.lr", interval=Interval(1e-5, 1e-1, integer=False, log=True))
ORDER = Dimension("+model.order", interval=Interval(2, 90, integer=True, log=True))
WIDTH = Dimension("dataset.width", interval=Interval(-3, 3, integer=True, log=False))
DROPOUT = Dimension("model.dropout", interval=Interval(0.0, 0.5, integer=False, log=False))
SIZES = Dimension("model.hidden_sizes", ("[64,32]", "[5]", "a\\,b"))
EPOCHS = Dimension("training.epochs", ("10", "20", "40"), ordered=True)
FIXED = Dimension("model", ("tiny",))
ALL = [LR, FIXED, ORDER, WIDTH, DROPOUT, SIZES, EPOCHS]


def outcome(overrides: list[str], number: int) -> dict[str, Any]:
    """Return how a job ended: the better, the nearer the learning rate is to 1e-2; some don't finish."""
    rate = next(float(text.split("=")[1]) for text in overrides if text.startswith("optimizer.lr="))
    ends: list[State] = ["failed", "diverged", "pruned"]
    if number % 7 == 3:
        return {"state": ends[number % 3]}
    return {"state": "finished", "objective": abs(math.log10(rate) + 2)}


def run(sweep: SweepDirectory, count: int) -> list[list[str]]:
    """Propose trials up to so many and end them."""
    plan = sweep.read_plan()
    for number in range(len(list(sweep.trials.glob("*.json"))), count):
        overrides = propose(plan, number, sweep.read_trials(plan), lambda _: {}).overrides
        sweep.write_trial(Trial(number, overrides, **outcome(overrides, number)))
    return [trial.overrides for trial in sweep.read_trials(plan)]


def test_proposals_lie_within_bounds_and_are_what_they_should_be(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", ALL, [], total=40)
    proposed = run(sweep, 40)
    columns = {one.key: [] for one in ALL}
    for overrides in proposed:
        assert [text.split("=", 1)[0] for text in overrides] == [one.key for one in ALL]
        for one, text, override in zip(ALL, overrides, map(parse, overrides), strict=True):
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
    sweeps = [make(tmp_path / name, ALL, [], total=20) for name in "ab"]
    run(sweeps[1], 13)
    found = [run(sweep, 20) for sweep in sweeps]
    assert found[0] == found[1]
    assert len({tuple(overrides) for overrides in found[0]}) == 20


Learnt = tuple[TrialState, float | None, dict[int, float]]
ENDS: list[tuple[list[State], Learnt]] = [
    (["finished", "finished", "finished"], (TrialState.COMPLETE, 4.0, {})),
    (["finished", "running", "waiting"], (TrialState.RUNNING, None, {})),
    (["finished", "failed", "finished"], (TrialState.FAIL, None, {})),
    (["finished", "diverged", "pruned"], (TrialState.PRUNED, None, {})),
    (["finished", "pruned", "pruned"], (TrialState.PRUNED, None, {1: 4.0, 2: 8.0})),
]
"""How the seeds of a configuration stand, and what a sampler learns: of errors, geometric means."""


@pytest.mark.parametrize(("states", "learnt"), ENDS)
def test_a_configuration_counts_by_what_all_its_seeds_show(states: list[State], learnt: Learnt, tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [RATE, SEEDS], [], total=3)
    plan = sweep.read_plan()
    for number, state in enumerate(states):
        trial = plan.replicate(Trial(0, ["lr=0.05", "seed=3"]), number)
        objective = 2.0 ** (number + 1) if state == "finished" else None
        directory = trial.seed if number < 2 else ""  # the last of what was given up never began
        sweep.write_trial(replace(trial, state=state, objective=objective, directory=directory))
    reported = {"3": {1: 2.0, 2: 16.0, 3: 1.0}, "5": {1: 8.0, 2: 4.0}}
    found = summarize(sweep.read_trials(plan), [RATE], lambda trial: reported[trial.directory], logarithmic=True)
    state, value, reports = learnt
    assert (found.state, found.params) == (state, {"lr": 0.05})
    assert found.value == pytest.approx(value)
    assert found.intermediate_values == pytest.approx(reports)


def test_a_proposal_whose_record_was_removed_is_made_again(tmp_path: Path) -> None:
    """From what came before it, as the message on a record that is damaged says."""
    sweep = make(tmp_path / "sweep", [RATE, SHARE], [], total=20)
    plan = sweep.read_plan()

    def proposed(number: int) -> list[str]:
        return propose(plan, number, sweep.read_trials(plan), lambda _: {}).overrides

    for number in range(20):
        sweep.write_trial(Trial(number, proposed(number), "finished", 1.0 + (7 * number) % 20))
    before = sweep.read_trial(14)
    (sweep.trials / "14.json").unlink()
    assert before is not None
    assert proposed(14) == before.overrides
