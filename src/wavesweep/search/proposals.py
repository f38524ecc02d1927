"""What a sweep tries next: a sampler of Optuna's proposes it, given what was tried before.

That alone decides, not the process that asks: Optuna's study is made anew each time, from the records of trials.
"""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from wavesweep.search.estimates import Reports, all_positive, mean, mean_reports
from wavesweep.search.plan import Plan
from wavesweep.search.samplers import SAMPLERS
from wavesweep.search.space import Dimension, job
from wavesweep.search.trials import Trial, is_seed, replicates


class Tried(NamedTuple):
    """A configuration that was tried.

    Attributes:
        overrides: Its own, by key.
        state: As Optuna calls it; one that diverged is pruned without reports, which samplers take for the worst.
        value: The mean over its seeds, where all have finished.
        reports: The mean at each step, of one that was pruned.
    """

    overrides: dict[str, str]
    state: TrialState
    value: float | None = None
    reports: Reports = {}  # noqa: RUF012  which nobody changes


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
    tried = [summarize(group, read_reports, logarithmic=logarithmic) for group in replicates(earlier)]
    dimensions = [one for one in plan.dimensions if not is_seed(one.key)]
    configuration = ask_sampler(dimensions, tried, plan.sampler, plan.seed)
    return job(plan.dimensions, configuration, plan.proposal(number).seed)


def summarize(group: list[Trial], read_reports: Callable[[Trial], Reports], *, logarithmic: bool) -> Tried:
    """Return what a sampler learns from the replicates of a configuration."""
    overrides = dict(text.split("=", 1) for text in group[0].configuration)
    states = {trial.state for trial in group}
    if "failed" in states:
        return Tried(overrides, TrialState.FAIL)
    if "diverged" in states:
        return Tried(overrides, TrialState.PRUNED)
    if "pruned" in states:
        reports = [read_reports(trial) for trial in group if trial.directory]
        return Tried(overrides, TrialState.PRUNED, reports=mean_reports(reports, logarithmic=logarithmic))
    if states != {"finished"}:
        return Tried(overrides, TrialState.RUNNING)
    objectives = [trial.objective for trial in group if trial.objective is not None]
    if not objectives:  # another program's jobs, which returned nothing
        return Tried(overrides, TrialState.FAIL)
    return Tried(overrides, TrialState.COMPLETE, mean(objectives, logarithmic=logarithmic))


def ask_sampler(dimensions: list[Dimension], tried: list[Tried], sampler: str, seed: int) -> list[str]:
    """Return the overrides of the next configuration; of dimensions that aren't swept, their values.

    Args:
        dimensions: Of the sweep; seeds are none of them.
        tried: In the order of their proposal.
        sampler: A name of `SAMPLERS`.
        seed: Of the sampler.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    chosen = SAMPLERS[sampler]
    swept = [one for one in dimensions if one.swept]
    space = {one.key: _distribution(one) for one in swept}
    study = optuna.create_study()
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        for number, one in enumerate(tried):
            params = {each.key: _value(each, one.overrides[each.key]) for each in swept}
            if chosen.is_stepwise:
                study.sampler = chosen.make(seed, number)
                _ask_and_tell(study, one, params, space)
            else:
                study.add_trial(
                    create_trial(
                        state=one.state,
                        value=one.value,
                        params=params,
                        distributions=space,
                        intermediate_values=one.reports,
                    )
                )
        study.sampler = chosen.make(seed, len(tried))
        params = study.ask(space).params
    return [f"{one.key}={_text(one, params[one.key]) if one.swept else one.values[0]}" for one in dimensions]


def _ask_and_tell(
    study: optuna.Study, one: Tried, params: dict[str, float], space: dict[str, BaseDistribution]
) -> None:
    """Ask the study's sampler as it was asked then, so that it stands where it stood; tell it what was tried."""
    study.enqueue_trial(params)
    trial = study.ask()
    _ = trial.relative_params  # which asks the sampler
    for key, distribution in space.items():
        trial._suggest(key, distribution)
    for step, value in one.reports.items():
        trial.report(value, step)
    if one.state != TrialState.RUNNING:
        study.tell(trial, one.value, one.state)


def _distribution(dimension: Dimension) -> BaseDistribution:
    """Return how Optuna draws values: of a list, their places in it; a range has an order."""
    interval = dimension.interval
    if interval is None:
        last = len(dimension.values) - 1
        return IntDistribution(0, last) if dimension.ordered else CategoricalDistribution(range(last + 1))
    if interval.integer:
        return IntDistribution(int(interval.low), int(interval.high), log=interval.log)
    return FloatDistribution(interval.low, interval.high, log=interval.log)


def _text(dimension: Dimension, value: float) -> str:
    return dimension.values[int(value)] if dimension.interval is None else dimension.interval.written(value)


def _value(dimension: Dimension, text: str) -> float:
    if dimension.interval is None:
        return dimension.values.index(text)
    return int(text) if dimension.interval.integer else float(text)
