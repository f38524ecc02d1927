"""Which trials a sweep gives up, as a pruner of Optuna's says, given what jobs have reported.

Replicates are judged and given up together. Optuna's studies live in memory and are made from the trials' records, in
each process that needs them: nothing can be lost, or contradict the records.
"""

import math
import time
from collections import defaultdict
from collections.abc import Callable
from functools import cache, partial

import optuna

from hydra_queue_sweeper.search.estimates import Reports, all_positive, mean, mean_reports
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.pruners import make_pruner
from hydra_queue_sweeper.search.trials import GIVEN_UP, Trial, replicates

SECONDS_BETWEEN_LOOKS = 1.0  # at what other workers have done


class Pruning:
    """Judges the trials that one worker runs.

    Args:
        plan: Of the sweep, which has a pruner.
        read_trials: Returns all trials that are known.
        read_reports: Reads what a trial has reported, since it last began anew.
    """

    def __init__(
        self, plan: Plan, read_trials: Callable[[], list[Trial]], read_reports: Callable[[Trial], Reports]
    ) -> None:
        self._read_trials, self._read_reports = read_trials, read_reports
        self._running: int | None = None  # the trial that runs here
        self._next_look = 0.0
        self._groups: list[list[Trial]] = []  # replicates
        self._reports = defaultdict[int, Reports](dict)  # by the numbers of trials
        self._final: set[int] = set()  # the trials that report nothing more
        self._logarithmic = True
        assert plan.pruner
        # By the seeds on which configurations are compared.
        self._comparisons = defaultdict[frozenset[str], Comparison](partial(Comparison, plan.pruner, plan.seed))

    def give_up(self, trial: Trial, step: int, objective: float, steps: int) -> bool:
        """Say whether a trial is to be given up.

        Its configuration is compared with others on those of its seeds that have come as far.

        Args:
            trial: Which.
            step: That it reports now.
            objective: Then.
            steps: That it would do in all.
        """
        looks = trial.number != self._running or time.monotonic() >= self._next_look
        if looks:
            self._look(trial, step)
        self._reports[trial.number][step] = objective
        own = next(
            place for place, group in enumerate(self._groups) if any(one.number == trial.number for one in group)
        )
        replicated = self._groups[own]
        if any(one.state in GIVEN_UP for one in replicated):
            return True
        seeds = frozenset(one.seed for one in replicated if step in self._reports[one.number])
        if looks or seeds not in self._comparisons:
            for number in range(len(self._groups)):
                if number != own:
                    self._show(number, seeds, steps)
        return self._show(own, seeds, steps)

    def _look(self, trial: Trial, step: int) -> None:
        """Take over what all trials have reported; of the one that runs here, before a step."""
        self._next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS
        trials = self._read_trials()
        self._groups = replicates(trials)
        if trial.number != self._running:
            self._running = trial.number
            known = self._read_reports(trial)
            self._reports[trial.number] = {then: value for then, value in known.items() if then < step}
        for one in trials:
            if one.directory and one.number != trial.number and one.number not in self._final:
                self._reports[one.number] = self._read_reports(one)
                if one.ended:
                    self._final.add(one.number)
        # What has been shown to a pruner before stays as it was.
        self._logarithmic = all_positive([value for reports in self._reports.values() for value in reports.values()])

    def _show(self, number: int, seeds: frozenset[str], steps: int) -> bool:
        """Show a configuration to the pruner, as far as it has run on all of some seeds; return what that says.

        One that was given up before it came to all of them counts as worse than any other, wherever it came to: or each
        further seed would halve the rest again.
        """
        comparison = self._comparisons[seeds]
        group = self._groups[number]
        chosen = {one.seed: one for one in group if one.seed in seeds}
        last = comparison.last(number)
        reports = [self._reports[one.number] for one in chosen.values()]
        num_steps = max(one.steps for one in group) or steps
        if any(one.state in GIVEN_UP for one in group) and not all(reports):
            longest = max((self._reports[one.number] for one in group), key=len)
            return comparison.show(number, dict.fromkeys(longest, math.inf), num_steps)
        if chosen.keys() != seeds:
            return False
        new = [{step: value for step, value in one.items() if step > last} for one in reports]
        given_up = comparison.show(number, mean_reports(new, logarithmic=self._logarithmic), num_steps)
        objectives = [one.objective for one in chosen.values() if one.objective is not None]
        if len(objectives) == len(seeds):
            logarithmic = self._logarithmic and all_positive(objectives)
            comparison.complete(number, mean(objectives, logarithmic=logarithmic))
        return given_up


class Comparison:
    """What configurations have shown on the same seeds, and what a pruner remembers of that.

    Args:
        pruner: A name of `PRUNERS`.
        seed: Of the sweep.
    """

    def __init__(self, pruner: str, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._remembers = pruner != "median"  # what it was asked before
        self._make_pruner = cache(partial(make_pruner, pruner))
        self._study = optuna.create_study(study_name=f"seed {seed}")  # by which hyperband chooses brackets
        self._trials: list[optuna.Trial] = []  # by the number of the configuration
        self._steps: dict[int, int] = {}  # the last that each has shown

    def last(self, number: int) -> int:
        """Return the last step that a configuration has shown; -1 before the first."""
        return self._steps.get(number, -1)

    def show(self, number: int, reports: Reports, steps: int) -> bool:
        """Take over what a configuration has reported, as far as it is new; return what the pruner says of the last.

        The pruner is asked at each step, as it was when that was reported, or would remember less.

        Args:
            number: Of the configuration, from 0.
            reports: Its mean over the seeds at each step that all of them have reported.
            steps: That it does in all; at the last, no pruner is asked.
        """
        while len(self._trials) <= number:
            self._trials.append(self._study.ask())
        trial = self._trials[number]
        given_up = False
        self._study.pruner = self._make_pruner(steps)
        for step in sorted(step for step in reports if step > self.last(number)):
            trial.report(reports[step], step)
            self._steps[number] = step
            if step < steps and (self._remembers or step == max(reports)):
                given_up = trial.should_prune()
        return given_up

    def complete(self, number: int, value: float) -> None:
        """Let a configuration count as one that has finished on all these seeds; one that was shown."""
        self._study.tell(self._trials[number], value, skip_if_finished=True)
