"""What a sweep tries next: a sampler of Optuna's proposes it, given what was tried before.

That alone decides, not the process that asks: Optuna's study is made anew each time, from the records of trials.
"""

import warnings
from collections.abc import Callable
from random import Random

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from hydra_queue_sweeper.search.estimates import Reports, all_positive, mean, mean_reports
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.samplers import STEPWISE, Settings, make_sampler
from hydra_queue_sweeper.search.space import Dimension, but_seed, grid_jobs, is_grid, job
from hydra_queue_sweeper.search.trials import Configuration, Trial, replicates


def propose(plan: Plan, number: int, trials: list[Trial], read_reports: Callable[[Trial], Reports]) -> list[str]:
    """Return the overrides of a trial that begins a proposal.

    Args:
        plan: Of the sweep.
        number: Of the trial; all earlier proposals have been made.
        trials: All that are known.
        read_reports: Reads what a trial has reported.
    """
    earlier = [trial for trial in trials if trial.number < number]
    logarithmic = all_positive([trial.objective for trial in earlier if trial.objective is not None])
    dimensions = but_seed(plan.dimensions)
    swept = [one for one in dimensions if one.swept]
    tried = [summarize(group, swept, read_reports, logarithmic=logarithmic) for group in replicates(earlier)]
    chosen = ask_sampler(swept, tried, plan.sampler, plan.seed, plan.settings)
    configuration = tuple(f"{one.key}={chosen.get(one.key, one.typical(0))}" for one in dimensions)
    if is_grid(dimensions):
        configuration = _untried(configuration, plan, earlier)
    return job(plan.dimensions, configuration, plan.proposal(number).seed)


def _untried(configuration: Configuration, plan: Plan, earlier: list[Trial]) -> Configuration:
    """Return a configuration; where it was tried, and others can be listed, one of those at random."""
    tried = {trial.configuration for trial in earlier}
    if configuration not in tried:
        return configuration
    others = [one for one in map(tuple, grid_jobs(but_seed(plan.dimensions))) if one not in tried]
    return Random(f"{plan.seed} {len(tried)}").choice(others) if others else configuration  # noqa: S311


def summarize(
    group: list[Trial], swept: list[Dimension], read_reports: Callable[[Trial], Reports], *, logarithmic: bool
) -> FrozenTrial:
    """Return what the replicates of a configuration tell a sampler, as one trial of Optuna's."""
    values = dict(text.split("=", 1) for text in group[0].configuration)
    params = {one.key: _number(one, values[one.key]) for one in swept}
    space = {one.key: distribution(one) for one in swept}
    states = {trial.state for trial in group}
    objectives = [trial.objective for trial in group if trial.objective is not None]
    state = TrialState.RUNNING
    value: float | None = None
    reports: Reports = {}
    if "failed" in states or (states == {"finished"} and not objectives):  # as other programs' jobs may return nothing
        state = TrialState.FAIL
    elif "diverged" in states:
        state = TrialState.PRUNED  # without reports, which samplers take for the worst
    elif "pruned" in states:
        state = TrialState.PRUNED
        reports = mean_reports([read_reports(one) for one in group if one.directory], logarithmic=logarithmic)
    elif states == {"finished"}:
        state = TrialState.COMPLETE
        value = mean(objectives, logarithmic=logarithmic)
    return create_trial(state=state, value=value, params=params, distributions=space, intermediate_values=reports)


def ask_sampler(
    swept: list[Dimension], tried: list[FrozenTrial], sampler: str, seed: int, settings: Settings
) -> dict[str, str]:
    """Return the values of the next configuration by their keys, as they are written in overrides.

    Args:
        swept: The dimensions to choose values of; seeds are none of them.
        tried: In the order of their proposal.
        sampler: A name of `SAMPLERS`.
        seed: Of the sampler.
        settings: That it is made with.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        for number, one in enumerate(tried):
            if sampler in STEPWISE:
                study.sampler = make_sampler(sampler, seed, number, settings)
                _ask_and_tell(study, one)
            else:
                study.add_trial(one)
        study.sampler = make_sampler(sampler, seed, len(tried), settings)
        params = study.ask({one.key: distribution(one) for one in swept}).params
    return {one.key: _text(one, params[one.key]) for one in swept}


def _ask_and_tell(study: optuna.Study, tried: FrozenTrial) -> None:
    """Ask the study's sampler as it was asked then, so that it stands where it stood; tell it what was tried."""
    study.enqueue_trial(tried.params)
    trial = study.ask()
    _ = trial.relative_params  # which asks the sampler
    for key, distribution in tried.distributions.items():
        trial._suggest(key, distribution)
    for step, value in tried.intermediate_values.items():
        trial.report(value, step)
    if tried.state != TrialState.RUNNING:
        study.tell(trial, tried.value, tried.state)


def distribution(dimension: Dimension) -> BaseDistribution:
    """Return how Optuna draws values: of a list, their places in it; a range has an order."""
    interval = dimension.interval
    if interval is None:
        last = len(dimension.values) - 1
        return IntDistribution(0, last) if dimension.ordered else CategoricalDistribution(range(last + 1))
    if interval.integer:
        return IntDistribution(int(interval.low), int(interval.high), log=interval.log)
    return FloatDistribution(interval.low, interval.high, log=interval.log)


def _text(dimension: Dimension, number: float) -> str:
    """Return the value that Optuna's number means, as it is written in overrides."""
    if dimension.interval is None:
        return dimension.values[int(number)]
    return dimension.interval.written(number)


def _number(dimension: Dimension, text: str) -> float:
    """Return the number that a value is to Optuna."""
    if dimension.interval is None:
        return dimension.values.index(text)
    return int(text) if dimension.interval.integer else float(text)
