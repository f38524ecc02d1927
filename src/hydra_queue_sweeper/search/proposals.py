"""What a sweep tries next: a sampler of Optuna's proposes it, given what was tried before.

That alone decides, not the process that asks: Optuna's study is made anew each time, from the records of trials.
"""

import warnings
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from hydra_queue_sweeper.search.estimates import Reports, all_positive, mean, mean_reports
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.samplers import STEPWISE, Settings, make_sampler
from hydra_queue_sweeper.search.space import Dimension, but_seed, grid_jobs, is_grid, job
from hydra_queue_sweeper.search.suggestions import Suggestions, as_number, as_text, distribution
from hydra_queue_sweeper.search.trials import Configuration, Trial, replicates

Extend = Callable[[Any], None]
"""A program's `custom_search_space`: takes a trial of Optuna's, and asks it for further values."""


def propose(
    plan: Plan,
    number: int,
    trials: list[Trial],
    read_reports: Callable[[Trial], Reports],
    extend: Extend | None = None,
) -> Trial:
    """Return a trial that begins a proposal.

    Args:
        plan: Of the sweep.
        number: Of the trial; all earlier proposals have been made.
        trials: All that are known.
        read_reports: Reads what a trial has reported.
        extend: Adds dimensions, where the plan says so.
    """
    earlier = [trial for trial in trials if trial.number < number]
    logarithmic = all_positive([trial.objective for trial in earlier if trial.objective is not None])
    dimensions = but_seed(plan.dimensions)
    swept = [one for one in dimensions if one.swept]
    tried = [summarize(group, swept, read_reports, logarithmic=logarithmic) for group in replicates(earlier)]
    asked = ask_sampler(swept, tried, plan.sampler, plan.seed, plan.settings, extend)
    values = {one.key: one.typical(0) for one in dimensions} | asked.values
    configuration = tuple(f"{key}={value}" for key, value in values.items())
    if is_grid(dimensions) and not extend:
        configuration = _untried(configuration, plan, earlier)
    overrides = job(plan.dimensions, configuration, plan.proposal(number).seed)
    return Trial(number, overrides, further=asked.further)


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
    dimensions = [*swept, *group[0].further]
    params = {one.key: as_number(one, values[one.key]) for one in dimensions}
    space = {one.key: distribution(one) for one in dimensions}
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


class Asked(NamedTuple):
    """What a sampler chose: values by their keys, as overrides write them, and the dimensions that it was given."""

    values: dict[str, str]
    further: list[Dimension]


def ask_sampler(
    swept: list[Dimension],
    tried: list[FrozenTrial],
    sampler: str,
    seed: int,
    settings: Settings,
    extend: Extend | None = None,
) -> Asked:
    """Return the next configuration.

    Args:
        swept: The dimensions to choose values of; seeds are none of them.
        tried: In the order of their proposal.
        sampler: A name of `SAMPLERS`.
        seed: Of the sampler.
        settings: That it is made with.
        extend: Adds dimensions to it.
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
        trial = study.ask({one.key: distribution(one) for one in swept})
        chosen = {one.key: as_text(one, trial.params[one.key]) for one in swept}
        suggestions = Suggestions(trial, chosen)
        if extend:
            extend(suggestions)
    return Asked(chosen | suggestions.texts, suggestions.further)


def _ask_and_tell(study: optuna.Study, tried: FrozenTrial) -> None:
    """Ask the study's sampler as it was asked then, so that it stands where it stood; tell it what was tried."""
    study.enqueue_trial(tried.params)
    trial = study.ask()
    _ = trial.relative_params  # which asks the sampler
    for key, of_key in tried.distributions.items():
        trial._suggest(key, of_key)
    for step, value in tried.intermediate_values.items():
        trial.report(value, step)
    if tried.state != TrialState.RUNNING:
        study.tell(trial, tried.value, tried.state)
