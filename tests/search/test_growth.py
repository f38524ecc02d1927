"""The parts of a plan: what a sweep begins with, and what it grows by."""

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.search.growth import begin, choose_given, grow
from hydra_queue_sweeper.search.plan import Listed, Part, Plan
from hydra_queue_sweeper.search.space import Dimension, Interval, is_grid
from hydra_queue_sweeper.search.trials import Configuration, State, Trial, replicates
from hydra_queue_sweeper.sweeps.planning import list_jobs_left
from tests.support import made
from tests.support.made import make

MODEL = Dimension("model", ("tiny", "small"))
RATE = Dimension("optimizer.lr", ("1e-3", "0.01"))
SEEDS = Dimension("seed", ("0", "1"))
FIXED = Dimension("training.epochs", ("3",))
DRAWN = Dimension("optimizer.lr", interval=Interval(1e-4, 1e-1, integer=False, log=True))
ORDER = Dimension("model.order", interval=Interval(2, 90, integer=True, log=False))


def plan_of(*dimensions: Dimension, n_trials: int = 4, given: list[tuple[str, ...]] | None = None) -> Plan:
    count = None if is_grid(list(dimensions)) else n_trials
    return made.plan_of(list(dimensions), begin(list(dimensions), count, given or []))


def grown(plan: Plan, *typed: Dimension, trials: list[Trial] | None = None, **how: int | None) -> Plan:
    known = plan.trials({}) if trials is None else trials
    return grow(plan, known, list(typed), "0", **{"n_trials": None, "top": None, **how})


def jobs(plan: Plan) -> Counter[tuple[str, ...]]:
    """Return the jobs of a grid, each as the set of its overrides; a seed that is not overridden is 0."""
    known = plan.trials({})
    return Counter(tuple(sorted([*trial.configuration, f"seed={trial.seed or 0}"])) for trial in known)


def proposed(plan: Plan, count: int) -> list[Trial]:
    """Return the trials of a sampled sweep whose first so many configurations were proposed, and have finished."""
    begun: dict[int, Trial] = {}
    for number in range(plan.n_trials):
        if number in plan.waiting:
            begun[number] = replace(plan.waiting[number], state="finished", objective=1.0 + number)
            continue
        numbers, seed = plan.proposal(number)
        if len(replicates(plan.trials(begun))) < count or numbers[0] in begun:
            overrides = [f"{one.key}={one.values[0] if one.values else numbers[0] + 2}" for one in plan.dimensions]
            overrides = [text if not text.startswith("seed=") else f"seed={seed}" for text in overrides]
            begun[number] = Trial(number, overrides, "finished", 1.0 + number)
    return plan.trials(begun)


@pytest.mark.parametrize(
    ("before", "typed", "at_once"),
    [
        ([MODEL, RATE], [Dimension("optimizer.lr", ("3e-3",))], [("tiny", "small"), ("1e-3", "0.01", "3e-3"), ("0",)]),
        ([MODEL, RATE, SEEDS], [replace(SEEDS, values=("1", "2"))], [MODEL.values, RATE.values, ("0", "1", "2")]),
        ([MODEL, RATE], [replace(SEEDS, values=("4", "5"))], [MODEL.values, RATE.values, ("0", "4", "5")]),
        ([SEEDS, MODEL, RATE], [Dimension("model", ("large",)), Dimension("seed", ("7",))],
         [("tiny", "small", "large"), RATE.values, ("0", "1", "7")]),
    ],
)  # fmt: skip
def test_a_grid_that_grows_has_the_jobs_of_one_made_at_once(
    before: list[Dimension], typed: list[Dimension], at_once: list[tuple[str, ...]]
) -> None:
    plan = plan_of(*before, FIXED)
    more = grown(plan, *typed)
    whole = plan_of(*map(Dimension, ("model", "optimizer.lr", "seed"), at_once), FIXED)
    assert jobs(more) == jobs(whole)
    assert {number: more.waiting[number] for number in plan.waiting} == plan.waiting, "jobs have other numbers"
    assert grown(more, *typed, *before) == more, "what is there was added again"


def test_step_by_step_is_as_all_at_once() -> None:
    rates, seeds = Dimension("optimizer.lr", ("0.1",)), Dimension("seed", ("1", "2"))
    first = grown(grown(plan_of(MODEL, RATE), rates), seeds)
    second = grown(grown(plan_of(MODEL, RATE), seeds), rates)
    assert jobs(first) == jobs(second) == jobs(grown(plan_of(MODEL, RATE), rates, seeds))
    assert first.is_grid
    assert max(jobs(first).values()) == 1


def test_one_value_written_otherwise_is_no_other() -> None:
    plan = plan_of(MODEL, RATE, SEEDS)
    assert grown(plan, Dimension("optimizer.lr", ("0.001", "1e-2"))) == plan


def test_further_seeds_of_the_best_are_for_them_alone() -> None:
    plan = plan_of(MODEL, RATE, FIXED)
    trials = [replace(trial, state="finished", objective=10.0 - trial.number) for trial in plan.trials({})]
    best = grown(plan, Dimension("seed", ("1", "2")), trials=trials, top=1)
    assert [trial.overrides for trial in list(best.waiting.values())[4:]] == [
        ["model=small", "optimizer.lr=0.01", "training.epochs=3", f"seed={seed}"] for seed in (1, 2)
    ]
    done = [replace(trial, state="finished", objective=50.0) for trial in best.waiting.values() if trial.number >= 4]
    again = grown(best, Dimension("seed", ("5",)), trials=[*trials, *done], top=1)
    assert again.waiting[6].configuration == best.waiting[5].configuration, "those with most seeds are compared first"
    later = grown(best, Dimension("model", ("large",)), trials=[*trials, *done])
    assert len(later.waiting) == len(best.waiting) + 2, "new configurations get the seeds of the best"


@pytest.mark.parametrize(
    ("states", "words"),
    [
        (["failed", "diverged", "running", "waiting"], "no configuration has finished on all its seeds yet"),
        (["finished"] * 4, "name these alone"),
    ],
)
def test_the_best_must_be_known_and_get_seeds_alone(states: list[State], words: str) -> None:
    plan = plan_of(MODEL, RATE)
    trials = [
        replace(trial, state=state, objective=1.0 if state == "finished" else None)
        for trial, state in zip(plan.trials({}), states, strict=True)
    ]
    typed = [Dimension("seed", ("1",))] if "waiting" in states else [Dimension("model", ("large",))]
    with pytest.raises(Refused, match=words):
        grown(plan, *typed, trials=trials, top=2)


@pytest.mark.parametrize("state", ["pruned", "diverged"])
def test_what_was_given_up_gets_no_further_seeds(state: State) -> None:
    plan = replace(plan_of(MODEL, RATE, SEEDS), pruner="median")
    trials = [replace(trial, state=state if trial.number == 3 else "finished") for trial in plan.trials({})]
    more = grown(plan, Dimension("seed", ("2",)), trials=trials)
    new = [trial for trial in more.waiting.values() if trial.number >= plan.n_trials]
    assert len(new) == 3
    assert trials[3].configuration not in {trial.configuration for trial in new}
    if state == "diverged":  # which says something of one seed alone, where nothing is pruned
        assert len(grown(replace(plan, pruner=None), Dimension("seed", ("2",)), trials=trials).waiting) == 8 + 4


@pytest.mark.parametrize(
    "typed", [Dimension("model.dropout", ("0.1",)), Dimension("optimizer.lr", interval=DRAWN.interval)]
)
def test_a_sweep_grows_by_nothing_else(typed: Dimension) -> None:
    with pytest.raises(Refused, match="the sweep did not begin with"):
        grown(plan_of(MODEL, RATE), typed)


def test_without_a_seed_of_their_own_jobs_get_no_further_ones() -> None:
    plan = plan_of(MODEL)
    with pytest.raises(Refused, match="did not begin with seed=1"):
        grow(plan, plan.trials({}), [Dimension("seed", ("1",))], "", n_trials=None, top=None)


@pytest.mark.parametrize("seeds", [[], [SEEDS]])
def test_a_sampled_sweep_grows_by_proposals(seeds: list[Dimension]) -> None:
    plan = plan_of(MODEL, DRAWN, *seeds, n_trials=4)
    replicated = 2 if seeds else 1
    assert plan.n_trials == 4 * replicated
    assert grown(plan, n_trials=7, trials=proposed(plan, 2)).n_trials == 7 * replicated
    assert grown(plan, n_trials=2, trials=proposed(plan, 2)).n_trials == 2 * replicated, "what has not begun can go"
    last = [
        replace(trial, state="waiting") if trial.number == plan.n_trials - 1 else trial for trial in proposed(plan, 4)
    ]
    assert grown(plan, n_trials=7, trials=last).n_trials == 7 * replicated, "what waits to be tried again is there"
    with pytest.raises(Refused, match="must be at least 3, as many as have begun, got 2"):
        grown(plan, n_trials=2, trials=proposed(plan, 3))
    with pytest.raises(Refused, match=r"all proposals have been made; add hydra\.sweeper\.n_trials"):
        grown(plan, Dimension("model", ("large",)), trials=proposed(plan, 4))
    assert grown(plan, Dimension("model", ("large",)), n_trials=5, trials=proposed(plan, 4)).n_trials == 5 * replicated


def test_a_range_to_which_a_value_is_added_has_no_order() -> None:
    plan = plan_of(Dimension("model.order", ("2", "4", "6"), ordered=True), DRAWN)
    assert grown(plan, Dimension("model.order", ("4", "2"))).dimensions[0].ordered
    assert not grown(plan, Dimension("model.order", ("3",))).dimensions[0].ordered


def test_a_sampled_sweep_grows_by_seeds_of_what_was_and_of_what_will_be_proposed() -> None:
    plan = plan_of(MODEL, DRAWN, SEEDS, n_trials=5)
    before = proposed(plan, 2)
    more = grown(plan, Dimension("seed", ("2",)), trials=before)
    assert more.n_trials == 5 * 3
    assert [trial.number for trial in more.waiting.values()] == [4, 5], "after those that have begun"
    assert {trial.configuration for trial in more.waiting.values()} == {trial.configuration for trial in before}
    after = proposed(more, 5)
    assert Counter(len(group) for group in replicates(after)) == {3: 5}
    assert sorted({trial.number for trial in after}) == list(range(15))
    assert grown(more, Dimension("seed", ("0", "1", "2")), trials=after) == more
    best = grown(more, Dimension("seed", ("8",)), trials=after, top=2)
    assert best.n_trials == 17


def test_what_was_proposed_twice_counts_twice_and_is_no_further_seed() -> None:
    plan = plan_of(ORDER, n_trials=4)
    trials = [Trial(number, [f"model.order={n}"], "finished", 1.0 + n) for number, n in enumerate((7, 7, 2, 7))]
    assert grown(plan, n_trials=6, trials=trials).n_trials == 6
    best = grown(plan, Dimension("seed", ("1",)), trials=trials, top=1)
    assert [trial.overrides for trial in best.waiting.values()] == [["model.order=2", "seed=1"]]


def test_a_failed_job_that_waits_again_keeps_its_number() -> None:
    plan = plan_of(MODEL, DRAWN, n_trials=4)
    trials = proposed(plan, 4)
    trials[3] = replace(trials[3], state="waiting")
    assert grown(plan, n_trials=6, trials=trials).n_trials == 6
    assert min(grown(plan, Dimension("seed", ("1",)), trials=trials).waiting) == 4


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (20, 10, "10 jobs left, 10 fewer than before"),
        (4, 5, "5 jobs left, 1 more than before"),
        (4, 4, "4 jobs left"),
    ],
)
def test_a_dry_run_tells_how_many_jobs_come_or_go(
    before: int, after: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_of(DRAWN, n_trials=after)
    list_jobs_left(plan, plan_of(DRAWN, n_trials=before), [])
    assert capsys.readouterr().out.endswith(f"{told}; nothing was run\n")


def test_a_record_that_was_removed_is_one_of_those_that_have_begun() -> None:
    plan = plan_of(MODEL, DRAWN, n_trials=4)
    assert grown(plan, n_trials=6, trials=proposed(plan, 4)[::2] + proposed(plan, 4)[3:]).n_trials == 6


def test_a_proposal_has_all_its_jobs_one_after_the_other() -> None:
    plan = plan_of(MODEL, DRAWN, SEEDS, n_trials=3)
    assert [(*plan.proposal(number)[0], plan.proposal(number)[1]) for number in range(4)] == [
        (0, 1, "0"), (0, 1, "1"), (2, 3, "0"), (2, 3, "1"),
    ]  # fmt: skip
    known = plan.trials({2: Trial(2, ["model=tiny", "optimizer.lr=0.5", "seed=0"], "finished", 1.0)})
    assert [trial.overrides[-1] for trial in known] == ["seed=0", "seed=1"]
    assert [trial.state for trial in known] == ["finished", "waiting"], "it counts as complete"


def test_given_configurations_come_first_on_all_seeds() -> None:
    given = [("model=small", "optimizer.lr=0.01")]
    grid = plan_of(MODEL, RATE, SEEDS, given=given)
    assert jobs(grid) == jobs(plan_of(MODEL, RATE, SEEDS))
    assert [grid.waiting[number].overrides for number in (0, 1)] == [[*given[0], "seed=0"], [*given[0], "seed=1"]]
    drawn = plan_of(MODEL, DRAWN, SEEDS, n_trials=3, given=given)
    assert drawn.n_trials == 6
    assert len(drawn.waiting) == 2
    with pytest.raises(Refused, match="must be at least 2, as many as are given, got 1"):
        plan_of(MODEL, DRAWN, n_trials=1, given=[*given, ("model=tiny", "optimizer.lr=0.01")])


TABLE = "rank,model,optimizer.lr,model.order,objective\n1,small,0.003,7,1e-3\n2,tiny,0.05,12.0,\n2,tiny,0.05,12,\n"


def read(text: str, *dimensions: Dimension) -> list[Configuration]:
    """Return the configurations that a CSV gives."""
    return choose_given(list(csv.DictReader(text.splitlines())), Path("a.csv"), list(dimensions))


def test_a_leaderboard_gives_configurations() -> None:
    found = read(TABLE, MODEL, DRAWN, ORDER, FIXED, SEEDS)
    assert found == [
        ("model=small", "optimizer.lr=0.003", "model.order=7", "training.epochs=3"),
        ("model=tiny", "optimizer.lr=0.05", "model.order=12", "training.epochs=3"),
    ]
    assert read("optimizer.lr\n0.001\n", RATE) == [("optimizer.lr=1e-3",)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("optimizer.lr,model.order\n0.003,7\n", "line 2: model must be of model=tiny,small, got nothing"),
        (TABLE.replace("small", "huge"), "line 2: model must be of model=tiny,small, got huge"),
        (TABLE.replace("0.003", "3"), r"line 2: optimizer.lr must be of optimizer.lr=0.0001…0.1, got 3"),
        (TABLE.replace("0.003", "nan"), "line 2: optimizer.lr must be of .*, got nan"),
        (TABLE.replace("0.003", "x"), "line 2: optimizer.lr must be of .*, got x"),
        (TABLE.replace(",7,", ",7.5,"), "line 2: model.order must be of .*, got 7.5"),
        ("model,optimizer.lr,model.order\ntiny\n", "line 2: optimizer.lr must be of .*, got nothing"),
    ],
)
def test_what_can_t_be_given_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        read(text, MODEL, DRAWN, ORDER)


def test_a_pruned_sweep_goes_through_a_grid_seed_by_seed() -> None:
    plan = plan_of(MODEL, RATE, SEEDS)
    assert plan.order() == list(range(8))
    order = replace(plan, pruner="median").order()
    assert sorted(order) == list(range(8))
    seeds = [plan.waiting[number].seed for number in order]
    assert seeds == ["0"] * 4 + ["1"] * 4
    configurations = [plan.waiting[number].configuration for number in order]
    assert configurations[:4] == configurations[4:]
    assert any(replace(plan, pruner="median", seed=seed).order() != order for seed in range(1, 5))


def test_a_plan_of_many_parts_comes_back_from_its_file(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [MODEL, DRAWN, SEEDS], [], total=8)
    plan = replace(sweep.read_plan(), sampler="qmc", target=1e-3)
    more = grown(plan, Dimension("seed", ("9",)), trials=proposed(plan, 2))
    assert len(more.parts) == 3
    sweep.write_plan(more)
    assert sweep.read_plan() == more


def test_a_target_is_reached_by_a_mean_over_all_seeds() -> None:
    plan = replace(plan_of(MODEL, SEEDS), target=1e-2)

    def reached(*objectives: float | None) -> bool:
        ends = zip(plan.trials({}), objectives, strict=True)
        return plan.reached([replace(trial, objective=objective) for trial, objective in ends])

    assert not reached(1e-9, None, 1.0, 1.0)
    assert not reached(1e-3, 0.2, 1.0, 1.0)
    assert reached(1.0, 1.0, 1e-3, 0.09)
    single = replace(plan_of(MODEL), target=1e-2)
    assert single.reached([replace(trial, objective=1e-2) for trial in single.trials({})])
    assert not replace(plan, target=None).reached(plan.trials({}))


@pytest.mark.parametrize("part", [Listed([["model=tiny"]]), Listed([["model=huge", "optimizer.lr=0.01"]])])
def test_a_plan_has_no_jobs_but_its_own(part: Part) -> None:
    plan = plan_of(MODEL, RATE)
    with pytest.raises(ValueError, match="is none of its jobs"):
        replace(plan, parts=[*plan.parts, part])
