"""Replicates among the trials of a sweep: those whose configurations, as composed, differ in their seed alone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hydra.types import RunMode

from hydra_queue_sweeper.leaderboard.columns import text
from hydra_queue_sweeper.search.space import Dimension, grid_jobs
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.composition import without_hydra
from hydra_queue_sweeper.sweeps.dimensions import parse_dimensions
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.made import change, composer_of, conf_loader, make
from wavesweep.cli.task import Experiments
from wavesweep.leaderboard.ranking import rank

Swept = Callable[..., SweepDirectory]


@pytest.fixture
def swept(tmp_path: Path) -> Swept:
    """Make a sweep of conf/ whose jobs have all finished, job n with the objective n."""
    loader = conf_loader()
    master = loader.load_configuration("config", [], RunMode.MULTIRUN)

    def begin(*arguments: str, more: tuple[Dimension, ...] = ()) -> SweepDirectory:
        dimensions = [*more, *parse_dimensions(list(arguments), loader)]
        composer = composer_of(dimensions, loader, master)
        sweep = make(tmp_path / "sweep", dimensions, [])
        for number, overrides in enumerate(grid_jobs(dimensions)):
            config = without_hydra(composer.compose(overrides))
            trial = Trial(number, overrides, "finished", float(number), directory=str(number))
            identity = Experiments([], "").identity(config)
            sweep.write_trial(replace(trial, identity=identity, own_seed=str(config.seed)))
        return sweep

    return begin


def trials(sweep: SweepDirectory) -> list[list[int]]:
    """Return which jobs stand in each row, by the order of their numbers."""
    return sorted(row.numbers for row in rank(sweep).rows)


def test_what_is_drawn_from_the_seed_tells_no_replicates_apart(swept: Swept) -> None:
    sweep = swept("experiment=article/cos_sin_squared", "model=tiny,small", "seed=0,1,2")
    assert trials(sweep) == [[0, 1, 2], [3, 4, 5]]
    assert [row.objective for row in rank(sweep).rows] == [1.0, 4.0]


def test_one_value_is_one_configuration_however_it_is_written(swept: Swept) -> None:
    """And of a seed that it has twice, a mean and its interval take the one."""
    rates = Dimension("optimizer.lr", ("1e-2", "0.01", "0.1"))
    sweep = swept("seed=0,1", more=(rates,))
    assert trials(sweep) == [[0, 1, 2, 3], [4, 5]]
    best = rank(sweep).winner
    assert best
    assert best.objective == 0.5
    assert best.mean
    assert best.mean[1:] == pytest.approx((0.5 - 12.706204736432095 / 2, 0.5 + 12.706204736432095 / 2))
    assert best.num_seeds == 2


def test_a_trial_without_a_seed_has_that_of_its_configuration(swept: Swept) -> None:
    sweep = swept("model=tiny,small", "seed=0,1")
    change(sweep, 0, overrides=["model=tiny", "seed=0"])
    assert [sorted(row.finished) for row in rank(sweep).rows] == [["0", "1"], ["0", "1"]]
    change(sweep, 0, own_seed="5")  # as its configuration has it, whatever was typed
    assert [sorted(row.finished) for row in rank(sweep).rows] == [["1", "5"], ["0", "1"]]


def test_a_seed_of_the_data_tells_configurations_apart(swept: Swept) -> None:
    assert trials(swept("dataset.seed=7,8", "seed=0,1")) == [[0, 1], [2, 3]]


def test_a_trial_that_has_not_begun_is_a_replicate_of_those_that_override_the_same(swept: Swept) -> None:
    sweep = swept("model=tiny,small", "seed=0,1")
    change(sweep, 1, state="waiting", objective=None, directory="", identity="", own_seed="")
    assert trials(sweep) == [[0, 1], [2, 3]]
    assert "no best yet" in text(rank(sweep)), "it is better on the seed that both ran on"


def test_without_seeds_nothing_is_a_replicate(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("optimizer.lr", ("1e-2", "0.01"))], [1.0, 2.0])
    assert trials(sweep) == [[0], [1]]
