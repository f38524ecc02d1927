"""Makes the directories of sweeps whose jobs have ended in one way or another, without running any."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from hydra import initialize_config_dir
from hydra.core.config_search_path import SearchPathQuery
from omegaconf import DictConfig

from hydra_queue_sweeper.base.hydra_releases import AS_IN_1_3
from hydra_queue_sweeper.search.growth import begin
from hydra_queue_sweeper.search.plan import Part, Plan, seeds_of
from hydra_queue_sweeper.search.space import Dimension, grid_jobs, is_grid
from hydra_queue_sweeper.search.trials import State, Trial
from hydra_queue_sweeper.sweeps.composition import Composer
from hydra_queue_sweeper.sweeps.dimensions import group_keys
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.hydra_internals import ConfigLoaderImpl, create_config_search_path
from wavesweep.config.groups import conf_dir
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.info import RunInfo

Outcome = float | State | None
"""The objective of a job that has finished, else its state."""


def make(path: Path, dimensions: list[Dimension], outcomes: list[Outcome], total: int | None = None) -> SweepDirectory:
    """Make a sweep whose jobs ended as given, in the order of their numbers; others have not begun."""
    path.mkdir()
    sweep = SweepDirectory(path)
    num_proposals = None
    if not is_grid(dimensions):
        num_proposals = -(-(total or len(outcomes)) // max(1, len(seeds_of(dimensions))))
    sweep.write_plan(plan_of(dimensions, begin(dimensions, num_proposals, [])))
    listed = [*islice(grid_jobs(dimensions), len(outcomes))] if is_grid(dimensions) else None
    for number, outcome in enumerate(outcomes):
        state, objective = (outcome, None) if isinstance(outcome, str) else ("finished", outcome)
        overrides = listed[number] if listed else draw(dimensions, number)
        sweep.write_trial(Trial(number, overrides, state, objective, directory=str(number), seconds=number + 0.5))
    return sweep


def plan_of(dimensions: list[Dimension], parts: list[Part]) -> Plan:
    """Return the plan of a sweep that nothing else is known of."""
    return Plan(
        dimensions=dimensions,
        parts=parts,
        pruner=None,
        sampler="tpe",
        settings={},
        seed=0,
        direction="minimize",
        objective=None,
        target=None,
        max_failure_rate=None,
        custom_search_space=None,
        launcher=[],
        subdir="",
        fingerprint={},
        digests={},
    )


def draw(dimensions: list[Dimension], number: int) -> list[str]:
    """Return what a sampler might have proposed."""
    random, overrides = np.random.default_rng(number), []
    for one in dimensions:
        if one.interval is None:
            overrides.append(f"{one.key}={random.choice(one.values)}")
        else:
            value = one.interval.low * (one.interval.high / one.interval.low) ** random.random()
            overrides.append(f"{one.key}={round(value) if one.interval.integer else value!r}")
    return overrides


def values(number: int) -> list[Outcome]:
    """Return positive objectives."""
    return [0.1 + i % 5 for i in range(number)]


def change(sweep: SweepDirectory, number: int, **values: object) -> None:
    """Change a trial's record."""
    trial = sweep.read_trial(number)
    assert trial
    sweep.write_trial(replace(trial, **values))


def record(sweep: SweepDirectory, number: int, score: float, **once: float) -> RunDirectory:
    """Write the files of a job's run, of whose three epochs the second is kept, with a score; `once` has _ for /."""
    run = RunDirectory(sweep.path / str(number))
    run.path.mkdir()
    run.write_info(RunInfo([], {}, sweep.id, "made", tags={"wavesweep.kept_epoch": "2"}))
    for epoch, value in enumerate((9.0, score, 8.0), start=1):
        run.append_metrics(epoch, {"val/closed_loop_scaled_mse": value})
    measured = {key.replace("_", "/", 1): value for key, value in once.items()}
    run.append_metrics(None, {"val/kept_scaled_mse": score} | measured)
    return run


def conf_loader(*own: Path) -> ConfigLoaderImpl:
    """Return what loads configurations from conf/ and, before it, from folders of the user's own."""
    with initialize_config_dir(str(conf_dir()), **AS_IN_1_3):  # registers Hydra's resolvers, for good
        path = create_config_search_path(str(conf_dir()))
    for folder in own:
        path.prepend("command-line", f"file://{folder}", anchor=SearchPathQuery(provider="schema"))
    return ConfigLoaderImpl(path)


def composer_of(dimensions: list[Dimension], loader: ConfigLoaderImpl, master: DictConfig) -> Composer:
    """Return what composes the jobs of a sweep over some dimensions."""
    return Composer(master, loader, group_keys(dimensions, loader.repository))
