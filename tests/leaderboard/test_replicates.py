"""Replicates among the trials of a sweep: those whose configurations, as composed, differ in their seed alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.types import RunMode

from hydra_queue_sweeper.search.space import Dimension, grid_jobs
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.composition import by_hydra, group_keys, parse_dimensions
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.made import conf_loader, make, stored
from wavesweep.leaderboard.columns import text
from wavesweep.leaderboard.ranking import rank
from wavesweep.leaderboard.replicates import identities

Swept = Callable[..., SweepDirectory]


@pytest.fixture
def swept(tmp_path: Path) -> Swept:
    """Make a sweep of conf/ whose jobs have all finished, job n with the objective n."""
    loader = conf_loader()
    master = loader.load_configuration("config", [], RunMode.MULTIRUN)

    def begin(*arguments: str, more: tuple[Dimension, ...] = ()) -> SweepDirectory:
        dimensions = [*more, *parse_dimensions(list(arguments), loader)]
        jobs = [*grid_jobs(dimensions)]
        groups = group_keys(dimensions, loader.repository)
        sweep = stored(tmp_path / "sweep", dimensions, groups, by_hydra(master, loader, []), jobs)
        for number, overrides in enumerate(jobs):
            sweep.write_trial(Trial(number, overrides, "finished", float(number), directory=str(number)))
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
    jobs = [["model=tiny"], ["model=tiny", "seed=1"], ["model=tiny", "seed=0"], ["model=small"]]
    found = identities(sweep, sweep.read_plan(), [Trial(number, job) for number, job in enumerate(jobs)])
    assert [seed for _, seed in found] == ["0", "1", "0", "0"]
    assert [shared == found[0][0] for shared, _ in found] == [True, True, True, False]


def test_a_seed_of_the_data_tells_configurations_apart(swept: Swept) -> None:
    assert trials(swept("dataset.seed=7,8", "seed=0,1")) == [[0, 1], [2, 3]]


@pytest.mark.parametrize("content", [b"seed: [0", b"\xff\x00", b"- 1\n", b"", b"seed: 0\n", None])
def test_a_sweep_whose_configurations_are_damaged_is_still_summed_up(content: bytes | None, swept: Swept) -> None:
    """Its jobs are then told apart by their overrides, those of the configuration that is whole included."""
    sweep = swept("model=tiny,small", "seed=0,1")
    if content is None:
        (sweep.configs / "0.yaml").unlink()
    else:
        (sweep.configs / "0.yaml").write_bytes(content)
    assert trials(sweep) == [[0, 1], [2, 3]]
    assert "best: model=tiny" in text(rank(sweep))


def test_without_seeds_nothing_is_a_replicate(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("optimizer.lr", ("1e-2", "0.01"))], [1.0, 2.0])
    assert trials(sweep) == [[0], [1]]
