"""The configurations of jobs, as Hydra composes them."""

import random
from collections.abc import Callable
from cProfile import Profile
from itertools import islice
from typing import Any

import pytest
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.hydra_releases import IS_OLD
from hydra_queue_sweeper.search.space import grid_jobs
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.composition import changed_keys, digests
from hydra_queue_sweeper.sweeps.dimensions import parse_dimensions
from tests.support.composing import reading_anew
from tests.support.hydra_internals import ConfigLoaderImpl
from tests.support.made import composer_of
from tests.support.options import POOL
from wavesweep.cli.task import Experiments


@pytest.fixture(scope="module")
def master(loader: ConfigLoaderImpl) -> DictConfig:
    """Return what Hydra gives a sweeper."""
    return loader.load_configuration("config", ["hydra.job.name=other"], RunMode.MULTIRUN)


def attempt(work: Callable[[], Any]) -> Any:
    """Return what work gives, or how it fails."""
    try:
        return work()
    except (HydraException, OmegaConfBaseException) as error:
        return type(error), str(error)


def plain(config: DictConfig) -> Any:
    """Return all that a configuration says: as written, and resolved where that can be done."""
    return (
        OmegaConf.to_container(config, resolve=False),
        attempt(lambda: OmegaConf.to_container(config, resolve=True)),
    )


def for_hydra(overrides: list[str]) -> list[str]:
    """Return overrides as typed: Hydra 1.4 takes the null that its own sweeps add to `~key` for a condition."""
    if IS_OLD:
        return overrides
    return [text.removesuffix("=null") if text.startswith("~") else text for text in overrides]


def without_hydra(config: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


@pytest.mark.parametrize("seed", [*range(5), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(5, 32))])
def test_each_job_is_composed_as_hydra_would(seed: int, loader: ConfigLoaderImpl, master: DictConfig) -> None:
    chance = random.Random(seed)
    arguments: list[str] = chance.sample(POOL, chance.randint(1, 5))
    if chance.random() < 0.5:
        arguments += ["experiment=nested/both,odd", "forecast.horizon=3,5"]
    dimensions = parse_dimensions(arguments, loader)
    every = [*grid_jobs(dimensions)]
    jobs = chance.sample(every, min(3, len(every)))
    composer = composer_of(dimensions, loader, master)
    for overrides in jobs:
        composed = attempt(lambda overrides=overrides: composer.compose(overrides))
        expected = attempt(lambda overrides=overrides: loader.load_sweep_config(master, for_hydra(overrides)))
        if not isinstance(expected, DictConfig):
            assert composed == expected
            continue
        expected.hydra.overrides.task = overrides
        whole = composer.compose_job(Trial(7, overrides), "${hydra.job.num}")
        assert (whole.hydra.job.num, whole.hydra.job.id, whole.hydra.sweep.subdir) == (7, "7", "7")
        expected.hydra.job.num, expected.hydra.job.id = 7, "7"
        expected.hydra.sweep.dir = str(master.hydra.sweep.dir)  # in which the time may stand
        assert plain(whole.hydra) == plain(expected.hydra)
        assert plain(without_hydra(whole)) == plain(without_hydra(expected)), overrides


@pytest.mark.slow
def test_the_jobs_compared_have_all_that_matters(loader: ConfigLoaderImpl, master: DictConfig) -> None:
    """Of the pool, each composes alone, but for the one that is wrong."""
    for argument in POOL:
        dimensions = parse_dimensions([argument], loader)
        composer = composer_of(dimensions, loader, master)
        found = attempt(lambda dimensions=dimensions, composer=composer: composer.compose(next(grid_jobs(dimensions))))
        assert isinstance(found, DictConfig) == (argument != "optimizer.unknown=3"), argument


@pytest.mark.parametrize("argument", ["model=tiny,{hidden_sizes:[3]}", "model={hidden_sizes:[3]},tiny"])
def test_a_dimension_may_have_both_values_and_options(
    argument: str, loader: ConfigLoaderImpl, master: DictConfig
) -> None:
    dimensions = parse_dimensions([argument], loader)
    composer = composer_of(dimensions, loader, master)
    for overrides in grid_jobs(dimensions):
        expected = loader.load_sweep_config(master, overrides)
        assert plain(without_hydra(composer.compose(overrides))) == plain(without_hydra(expected))


def test_a_digest_tells_what_was_edited_and_nothing_of_values(loader: ConfigLoaderImpl, master: DictConfig) -> None:
    dimensions = parse_dimensions(["model=tiny", "seed=1,2"], loader)
    composer = composer_of(dimensions, loader, master)
    one, other = ({"": digests(composer.compose(overrides), ("tracking",))} for overrides in grid_jobs(dimensions))
    assert changed_keys(one, one) == []
    assert changed_keys(one, other) == ["seed"]
    assert changed_keys(one, {"": {**one[""], "new.key": "x"}}) == ["new.key"]
    assert not [key for key in one[""] if key.startswith(("hydra", "tracking"))]
    config = OmegaConf.create({"a": "${oc.env:NOWHERE}", "b": [1, {"c": 2}], "d": {}, "e": None, 3: True})
    assert [*digests(config)] == ["a", "b", "d", "e", "3"], "nothing was resolved"
    assert len(set(digests(config).values())) == 5


def test_a_job_can_t_change_how_hydra_runs_it(loader: ConfigLoaderImpl, master: DictConfig) -> None:
    with pytest.raises(Refused, match="leave hydra out"):
        composer_of([], loader, master).compose(["+hydra.job_logging=x"])


def calls(work: Callable[[], object]) -> int:
    """Return how many functions are called, which a busy machine does not change."""
    profile = Profile()
    profile.runcall(work)
    return sum(entry.callcount for entry in profile.getstats())


def test_a_further_job_costs_a_small_part_of_composing(loader: ConfigLoaderImpl, master: DictConfig) -> None:
    """Thousands are composed and checked before a sweep begins."""
    dimensions = parse_dimensions(["model=tiny,small", "optimizer.lr=1e-3,1e-2", "seed=0,1"], loader)
    composer = composer_of(dimensions, loader, master)
    jobs = [*islice(grid_jobs(dimensions), 8)]
    configs = [without_hydra(composer.compose(overrides)) for overrides in jobs]
    with reading_anew():
        once = calls(lambda: loader.load_sweep_config(master, jobs[0]))
    assert calls(lambda: [composer.compose(overrides) for overrides in jobs]) < 8 * once / 100
    assert calls(lambda: [Experiments([], "").check(config) for config in configs]) < 8 * once / 25
