"""What a sweep's trials tell a sampler and a pruner: replicates are proposed, judged and given up together.

The study lives in memory and is made from the trials' records, in each process that needs one: nothing can be lost or
contradict them.
"""

import math
import time
from collections.abc import Callable, Mapping

from optuna.trial import TrialState

from wavesweep.search.estimates import all_positive, mean
from wavesweep.search.plan import Plan
from wavesweep.search.proposals import Tried, propose
from wavesweep.search.pruning import Comparison
from wavesweep.search.space import job
from wavesweep.search.trials import GIVEN_UP, Trial, is_seed, replicates

Reports = dict[int, float]
"""The objective at each recorded step."""

SECONDS_BETWEEN_LOOKS = 1.0  # at what other workers have done


class Study:
    """The sweep as Optuna sees it.

    Args:
        plan: Of the sweep.
        read: Returns all trials that are known.
        reports: Reads what a trial has reported, since it last began anew.
    """

    def __init__(self, plan: Plan, read: Callable[[], list[Trial]], reports: Callable[[Trial], Reports]) -> None:
        self.plan, self._read, self._reports_of = plan, read, reports
        self._ended: dict[int, Reports] = {}  # of trials that have ended
        self._own: tuple[int, Reports] = (-1, {})  # of the trial that runs here
        self._looked = -SECONDS_BETWEEN_LOOKS
        self._groups: list[list[Trial]] = []
        self._numbers: dict[int, int] = {}  # of groups, by those of trials
        self._reports: Mapping[int, Reports] = {}
        self._logarithmic = True
        self._comparisons: dict[frozenset[str], Comparison] = {}

    def propose(self, number: int) -> list[str]:
        """Return the overrides of a trial that begins a proposal, all earlier ones having been made."""
        trials = [trial for trial in self._read() if trial.number < number]
        logarithmic = all_positive([trial.objective for trial in trials if trial.objective is not None])
        dimensions = [one for one in self.plan.dimensions if not is_seed(one.key)]
        tried = [self._tried(group, logarithmic) for group in replicates(trials)]
        proposed = propose(dimensions, tried, self.plan.sampler, self.plan.seed)
        return job(self.plan.dimensions, proposed, self.plan.proposal(number)[1])

    def _tried(self, group: list[Trial], logarithmic: bool) -> Tried:
        """Return what a sampler learns from a configuration."""
        overrides = dict(text.split("=", 1) for text in group[0].configuration)
        states, state = {trial.state for trial in group}, TrialState.RUNNING
        if "failed" in states:
            state = TrialState.FAIL
        elif "diverged" in states:
            state = TrialState.PRUNED
        elif "pruned" in states:
            reports = [self._reports_of(trial) for trial in group if trial.directory]
            return Tried(overrides, TrialState.PRUNED, reports=means(reports, logarithmic=logarithmic))
        elif states == {"finished"}:
            values = [trial.objective for trial in group if trial.objective is not None]
            if not values:  # another program's jobs, which returned nothing
                return Tried(overrides, TrialState.FAIL)
            return Tried(overrides, TrialState.COMPLETE, mean(values, logarithmic=logarithmic))
        return Tried(overrides, state)

    def give_up(self, trial: Trial, step: int, objective: float, steps: int) -> bool:
        """Say whether a trial is to be pruned: with its replicates, on what they show together.

        It is compared with other configurations on those of its seeds that have come as far.

        Args:
            trial: Which.
            step: That it reports now.
            objective: Then.
            steps: That it would do in all.
        """
        looks = trial.number != self._own[0] or time.monotonic() >= self._looked + SECONDS_BETWEEN_LOOKS
        if looks:
            self._look(trial, step)
        self._own[1][step] = objective
        place = self._numbers[trial.number]
        mine = self._groups[place]
        if any(one.state in GIVEN_UP for one in mine):
            return True
        if self._logarithmic and objective <= 0:
            self._logarithmic = False
            self._comparisons.clear()
        seeds = frozenset(one.seed for one in mine if step in self._reports.get(one.number, {}))
        comparison = self._comparisons.get(seeds)
        if looks or comparison is None:
            comparison = self._comparisons.setdefault(seeds, Comparison(self.plan.pruner or "", self.plan.seed))
            for number, group in enumerate(self._groups):
                if number != place:
                    self._show(comparison, number, group, seeds, steps)
        return self._show(comparison, place, mine, seeds, steps)

    def _look(self, trial: Trial, step: int) -> None:
        """Take over what all trials have reported; of the one that runs here, before a step."""
        self._looked = time.monotonic()
        trials = self._read()
        self._groups = replicates(trials)
        self._numbers = {one.number: number for number, group in enumerate(self._groups) for one in group}
        if trial.number != self._own[0]:
            self._own = trial.number, {then: value for then, value in self._reports_of(trial).items() if then < step}
        reports = {trial.number: self._own[1]}
        for one in trials:
            if one.directory and one.number != trial.number:
                reports[one.number] = self._ended.get(one.number) or self._reports_of(one)
                if one.ended:
                    self._ended[one.number] = reports[one.number]
        self._reports = reports
        if self._logarithmic and not all_positive([value for one in reports.values() for value in one.values()]):
            self._logarithmic = False
            self._comparisons.clear()

    def _show(self, comparison: Comparison, number: int, group: list[Trial], seeds: frozenset[str], steps: int) -> bool:
        """Show a configuration to the pruner, as far as it has run on all of some seeds; return what that says.

        One that was given up before it came to all of them counts as worse than any other, wherever it came to: or each
        further seed would halve the rest again.
        """
        chosen = {one.seed: one for one in group if one.seed in seeds}
        reports = [self._reports.get(one.number, {}) for one in chosen.values()]
        num_steps = max(one.steps for one in group) or steps
        if any(one.state in GIVEN_UP for one in group) and not all(reports):
            reached = max((self._reports.get(one.number, {}) for one in group), key=len)
            return comparison.show(number, dict.fromkeys(reached, math.inf), num_steps)
        if chosen.keys() != seeds:
            return False
        shown = means(reports, logarithmic=self._logarithmic)
        given_up = comparison.show(number, shown, num_steps)
        values = [one.objective for one in chosen.values() if one.objective is not None]
        if len(values) == len(seeds):
            comparison.complete(number, mean(values, logarithmic=self._logarithmic and all_positive(values)))
        return given_up


def means(reports: list[Reports], *, logarithmic: bool) -> Reports:
    """Return the mean at each step that all have reported."""
    if not reports:
        return {}
    common = set.intersection(*map(set, reports))
    return {
        step: mean([one[step] for one in reports], logarithmic=logarithmic and all(one[step] > 0 for one in reports))
        for step in sorted(common)
    }
