"""The configurations of jobs, as composed and as stored with their sweep."""

import random
from collections.abc import Callable
from cProfile import Profile
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.search.space import grid_jobs
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.composition import (
    FOR_WORKERS,
    Composer,
    by_hydra,
    from_files,
    group_keys,
    parse_dimensions,
    with_hydra,
)
from tests.support.made import stored
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


def without_hydra(config: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(8, 32))])
def test_each_job_is_composed_as_hydra_would(
    seed: int, loader: ConfigLoaderImpl, master: DictConfig, tmp_path: Path
) -> None:
    """Once from conf/, and once from what a sweep has stored of it."""
    chance = random.Random(seed)
    arguments: list[str] = chance.sample(POOL, chance.randint(1, 5))
    if chance.random() < 0.5:
        arguments += ["experiment=nested/both,odd", "forecast.horizon=3,5"]
    dimensions = parse_dimensions(arguments, loader)
    groups, load = group_keys(dimensions, loader.repository), cache(by_hydra(master, loader, []))
    every = [*grid_jobs(dimensions)]
    jobs = chance.sample(every, min(3, len(every)))
    composer, fine = Composer(groups, load), []
    worker = attempt(lambda: loader.load_sweep_config(master, [*every[0], FOR_WORKERS]))
    for overrides in jobs:
        composed = attempt(lambda overrides=overrides: composer.compose(overrides))
        expected = attempt(lambda overrides=overrides: loader.load_sweep_config(master, overrides))
        if not isinstance(expected, DictConfig):
            assert composed == expected
            continue
        config, choices = composed
        assert plain(config) == plain(without_hydra(expected)), overrides
        assert choices == expected.hydra.runtime.choices
        fine.append((overrides, expected))
        hydra = (worker if isinstance(worker, DictConfig) else expected).hydra
        whole = with_hydra(config, hydra, "${hydra.job.num}", Trial(7, overrides), choices)
        assert whole.hydra.runtime.choices == expected.hydra.runtime.choices
        assert whole.hydra.overrides == expected.hydra.overrides
        assert whole.hydra.job.override_dirname == expected.hydra.job.override_dirname
        assert (whole.hydra.job.num, whole.hydra.job.id, whole.hydra.sweep.subdir) == (7, "7", "7")
        assert plain(without_hydra(whole)) == plain(config)

    if len(fine) < len(jobs):
        return
    sweep = stored(tmp_path / "sweep", dimensions, groups, load, jobs)
    here = OmegaConf.create({"tracking": {"uri": "here", "experiment": "e", "required": False}})
    composer = from_files(sweep, sweep.read_plan(), here, ("tracking",))
    for overrides, expected in fine:
        config, choices = composer.compose(overrides)
        expected.tracking = here.tracking
        assert plain(config)[1] == plain(without_hydra(expected))[1], overrides
        assert choices == expected.hydra.runtime.choices


def test_the_jobs_compared_have_all_that_matters(loader: ConfigLoaderImpl, master: DictConfig) -> None:
    """Of the pool, each composes alone, but for the one that is wrong."""
    load = cache(by_hydra(master, loader, []))
    for argument in POOL:
        dimensions = parse_dimensions([argument], loader)
        composer = Composer(group_keys(dimensions, loader.repository), load)
        found = attempt(lambda dimensions=dimensions, composer=composer: composer.compose(next(grid_jobs(dimensions))))
        assert isinstance(found[0], DictConfig) == (argument != "optimizer.unknown=3"), argument


@pytest.mark.parametrize("argument", ["model=tiny,{hidden_sizes:[3]}", "model={hidden_sizes:[3]},tiny"])
def test_a_dimension_may_have_both_values_and_options(
    argument: str, loader: ConfigLoaderImpl, master: DictConfig
) -> None:
    dimensions = parse_dimensions([argument], loader)
    composer = Composer(group_keys(dimensions, loader.repository), by_hydra(master, loader, []))
    for overrides in grid_jobs(dimensions):
        expected = loader.load_sweep_config(master, overrides)
        assert plain(composer.compose(overrides)[0]) == plain(without_hydra(expected))


def test_what_depends_on_here_and_now_is_stored_as_it_was(
    loader: ConfigLoaderImpl, master: DictConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/then")
    dimensions = parse_dimensions(["experiment=typed", "training.epochs=3,4"], loader)
    groups = group_keys(dimensions, loader.repository)
    sweep = stored(tmp_path / "sweep", dimensions, groups, by_hydra(master, loader, []), [["experiment=typed"]])
    monkeypatch.setenv("HOME", "/now")
    monkeypatch.setenv("NUMBER", "8")
    composer = from_files(sweep, sweep.read_plan(), OmegaConf.create({}), ())
    config, _ = composer.compose([*grid_jobs(dimensions)][1])
    assert (config.notes.home, config.notes.again, config.notes.number) == ("/then", "/then/x", 7)
    assert config.training.window == 4


@pytest.mark.parametrize(
    "text",
    [
        "seed: ${oc.env:SECRET}",
        "seed: ${ oc.env :SECRET}",
        "seed: '\\${oc.env:SECRET}'",
        "name: oc.env\nseed: ${${oc.select:name}:SECRET}",
        "name: env\nseed: ${oc.${name}:SECRET}",
        "open: '{'\nclose: '}'\nseed: ${oc.decode:'$${open}oc.env:SECRET${close}'}",
        "text: 'seed: \"\\x24{oc.env:SECRET}\"'\nseed: ${oc.create:${text}}",
        "${oc.env:SECRET}: 1",
        "seeds: [[{a: '${oc.env:SECRET}'}]]",
        "hydra: {run: {dir: /}}",
    ],
)
def test_a_stored_configuration_that_asks_for_the_environment_is_refused(
    text: str, loader: ConfigLoaderImpl, master: DictConfig, tmp_path: Path
) -> None:
    dimensions = parse_dimensions(["seed=1,2"], loader)
    sweep = stored(tmp_path / "sweep", dimensions, set(), by_hydra(master, loader, []), [["seed=1"]])
    (sweep.configs / "0.yaml").write_text(f"{text}\n")
    with pytest.raises(Refused, match="must hold plain values, got "):
        from_files(sweep, sweep.read_plan(), OmegaConf.create({}), ()).compose(["seed=1"])


@pytest.mark.parametrize("text", ["a: 'http://${host}:${port}'", "a: '${oc.select:b.c,3}'", "a: 'costs $5: ${b}'"])
def test_a_stored_configuration_may_refer_to_itself(
    text: str, loader: ConfigLoaderImpl, master: DictConfig, tmp_path: Path
) -> None:
    dimensions = parse_dimensions(["seed=1,2"], loader)
    sweep = stored(tmp_path / "sweep", dimensions, set(), by_hydra(master, loader, []), [["seed=1"]])
    (sweep.configs / "0.yaml").write_text(f"{text}\nseed: 1\n")
    config, _ = from_files(sweep, sweep.read_plan(), OmegaConf.create({}), ()).compose(["seed=1"])
    assert config.seed == 1


def test_a_job_can_t_change_how_hydra_runs_it() -> None:
    with pytest.raises(Refused, match="leave hydra out"):
        Composer(set(), lambda _: (OmegaConf.create({}), {})).compose(["+hydra.job_logging=x"])


def calls(work: Callable[[], object]) -> int:
    """Return how many functions are called, which a busy machine does not change."""
    profile = Profile()
    profile.runcall(work)
    return sum(entry.callcount for entry in profile.getstats())


def test_a_further_job_costs_a_small_part_of_composing(loader: ConfigLoaderImpl, master: DictConfig) -> None:
    """Thousands are composed and checked before a sweep begins."""
    dimensions = parse_dimensions(["model=tiny,small", "optimizer.lr=1e-3,1e-2", "seed=0,1"], loader)
    composer = Composer(group_keys(dimensions, loader.repository), by_hydra(master, loader, []))
    jobs = [*islice(grid_jobs(dimensions), 8)]
    configs = [composer.compose(overrides)[0] for overrides in jobs]
    once = calls(lambda: loader.load_sweep_config(master, jobs[0]))
    assert calls(lambda: [composer.compose(overrides) for overrides in jobs]) < 8 * once / 100
    assert calls(lambda: [Experiments([], "").check(config) for config in configs]) < 8 * once / 25
