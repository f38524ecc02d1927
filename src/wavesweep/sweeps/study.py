"""Optuna's view of a sweep: what it proposes next, and which trials it gives up.

The study lives in memory and is made from the sweep's directory, in each process that needs one: nothing can be lost
or contradict the directory. The sampler is seeded for each proposal by its number, so that a proposal depends on the
trials before it alone, not on which process makes it.
"""

import logging
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.trial import TrialState

from wavesweep.search.space import Dimension
from wavesweep.search.trials import Trial
from wavesweep.sweeps.store import Plan, SweepDirectory

Reports = Callable[[Path], dict[int, float]]
"""Reads from a run's directory the objective at each recorded epoch."""


SECONDS_BETWEEN_LOOKS = 1.0  # at what other workers have begun

STATES = {
    "finished": TrialState.COMPLETE,
    "diverged": TrialState.PRUNED,  # without a value: a sampler then takes it for the worst
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


class Study:
    """The sweep as Optuna sees it, brought up to date before each question.

    Args:
        sweep: Its directory.
        plan: Of the sweep.
        reports: Reads what a run has reported so far.

    Source:
        TPE: Bergstra et al. (2011). Median stopping: Golovin et al. (2017). Successive halving without a barrier:
        Li et al. (2020). Hyperband: Li et al. (2018).
    """

    def __init__(self, sweep: SweepDirectory, plan: Plan, reports: Reports) -> None:
        self.sweep, self.plan, self.reports = sweep, plan, reports
        logging.getLogger("optuna").setLevel(logging.WARNING)
        self.study = optuna.create_study(study_name=f"seed {plan.seed}")  # by which hyperband chooses brackets
        self.storage = self.study._storage
        self._ids: dict[int, int] = {}  # Optuna's own, by the number of the trial
        self._ended: set[int] = set()
        self._begun: set[int] = set()
        self._looked = -SECONDS_BETWEEN_LOOKS

    def propose(self, number: int) -> list[str]:
        """Return the overrides of the next trial, all earlier ones having been proposed."""
        self._refresh(set(range(number)))
        self.study.sampler = optuna.samplers.TPESampler(seed=self.plan.seed * 1_000_003 + number)
        swept = {one.key: _distribution(one) for one in self.plan.dimensions if one.swept}
        asked = self.study.ask(swept)
        self._ids[number] = asked._trial_id
        return [f"{one.key}={_text(one, asked.params.get(one.key, 0))}" for one in self.plan.dimensions]

    def give_up(self, trial: Trial, step: int, value: float, steps: int) -> tuple[bool, dict[str, float]]:
        """Say whether a trial is to be pruned, and what the pruner wants to remember of it.

        Args:
            trial: Which.
            step: That it reports now.
            value: Its objective then.
            steps: That it would do in all.
        """
        if trial.number not in self._begun or time.monotonic() >= self._looked + SECONDS_BETWEEN_LOOKS:
            self._begun, self._looked = self.sweep.begun(), time.monotonic()
        self._refresh(self._begun | {trial.number})
        trial_id = self._ids[trial.number]
        if not self.storage.get_trial(trial_id).intermediate_values:
            self._report(trial_id, trial)
        self.storage.set_trial_intermediate_value(trial_id, step, value)
        pruned = _pruner(self.plan.pruner, steps).prune(self.study, self.storage.get_trial(trial_id))
        attributes = self.storage.get_trial(trial_id).system_attrs.items()
        return pruned, {key: value for key, value in attributes if isinstance(value, float)}  # the sampler's are texts

    def _refresh(self, numbers: set[int]) -> None:
        """Take over what the directory has of some trials, as far as it is new."""
        for number in range(len(self._ids), max(numbers, default=-1) + 1):
            template = _template(self.plan, self.sweep.read_trial(number) or Trial(number, []))
            self._ids[number] = self.storage.create_new_trial(self.study._study_id, template)
        for number in numbers - self._ended:
            trial = self.sweep.read_trial(number)
            if trial is not None:
                self._update(trial, self._ids[number])

    def _update(self, trial: Trial, trial_id: int) -> None:
        for key, value in trial.marks.items():
            self.storage.set_trial_system_attr(trial_id, key, value)
        if trial.ended:
            if self.plan.pruner and trial.state != "diverged":  # nobody else asks for reports
                self._report(trial_id, trial)
            values = None if trial.objective is None else [trial.objective]
            state = STATES[trial.state] if values or trial.state != "finished" else TrialState.FAIL
            self.storage.set_trial_state_values(trial_id, state, values)
            self._ended.add(trial.number)

    def _report(self, trial_id: int, trial: Trial) -> None:
        """Take over what a trial has reported."""
        for step, value in self.reports(self.sweep.path / trial.directory).items():
            self.storage.set_trial_intermediate_value(trial_id, step, value)


@cache
def _pruner(name: str | None, steps: int) -> BasePruner:
    """Return a pruner of runs of so many steps.

    Gentler than Optuna's defaults, as docs/performance.md shows: the last stage of a recipe may turn the order round.
    """
    match name:
        case "median":
            return MedianPruner(n_warmup_steps=steps // 3)
        case "successive_halving":
            return SuccessiveHalvingPruner(min_resource=max(1, steps // 3), reduction_factor=2)
        case "hyperband":
            return HyperbandPruner(min_resource=max(1, steps // 12), max_resource=steps, reduction_factor=2)
    return NopPruner()


def _template(plan: Plan, trial: Trial) -> optuna.trial.FrozenTrial:
    """Return a running trial of Optuna's with the values that a trial has."""
    texts = dict(text.split("=", 1) for text in trial.overrides)
    swept = [one for one in plan.dimensions if one.swept and one.key in texts]
    return optuna.trial.create_trial(
        state=TrialState.RUNNING,
        params={one.key: _value(one, texts[one.key]) for one in swept},
        distributions={one.key: _distribution(one) for one in swept},
    )


def _distribution(dimension: Dimension) -> BaseDistribution:
    """Return how Optuna draws values: of a list, their places in it; a range has an order."""
    interval, last = dimension.interval, len(dimension.values) - 1
    if interval is None:
        return IntDistribution(0, last) if dimension.ordered else CategoricalDistribution(range(last + 1))
    if interval.integer:
        return IntDistribution(int(interval.low), int(interval.high), log=interval.log)
    return FloatDistribution(interval.low, interval.high, log=interval.log)


def _text(dimension: Dimension, value: float) -> str:
    return dimension.values[int(value)] if dimension.interval is None else repr(value)


def _value(dimension: Dimension, text: str) -> float:
    return dimension.values.index(text) if dimension.interval is None else float(text)
