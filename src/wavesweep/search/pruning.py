"""Configurations beside each other on the same seeds, as a pruner of Optuna's sees them."""

from functools import cache

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, SuccessiveHalvingPruner
from optuna.trial import TrialState


class Comparison:
    """What configurations have shown on some seeds, and what a pruner remembers of that.

    Args:
        pruner: Its name.
        seed: Of the sweep.

    Source:
        Median stopping: Golovin et al. (2017). Successive halving without a barrier: Li et al. (2020). Hyperband: Li et
        al. (2018).
    """

    def __init__(self, pruner: str, seed: int) -> None:
        self.pruner = pruner
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.study = optuna.create_study(study_name=f"seed {seed}")  # by which hyperband chooses brackets
        self.storage = self.study._storage
        self._ids: list[int] = []  # Optuna's own, by the number of the configuration
        self._steps: dict[int, int] = {}  # the last that each has shown
        self._complete: set[int] = set()

    def show(self, number: int, reports: dict[int, float], steps: int) -> bool:
        """Take over what a configuration has reported, as far as it is new; return what the pruner says of the last.

        The pruner is asked at each step, as it was when that was reported, or would remember less.

        Args:
            number: Of the configuration, from 0.
            reports: Its mean over the seeds at each step that all of them have reported.
            steps: That it does in all; at the last, no pruner is asked.
        """
        while len(self._ids) <= number:
            running = optuna.trial.create_trial(state=TrialState.RUNNING)
            self._ids.append(self.storage.create_new_trial(self.study._study_id, running))
        trial_id, given_up = self._ids[number], False
        for step in sorted(step for step in reports if step > self._steps.get(number, -1)):
            self.storage.set_trial_intermediate_value(trial_id, step, reports[step])
            self._steps[number] = step
            if step < steps and (self.pruner != "median" or step == max(reports)):  # that one remembers nothing
                given_up = _pruner(self.pruner, steps).prune(self.study, self.storage.get_trial(trial_id))
        return given_up

    def complete(self, number: int, value: float) -> None:
        """Let a configuration count as one that has finished on all these seeds; one that was shown."""
        if number not in self._complete:
            self.storage.set_trial_state_values(self._ids[number], TrialState.COMPLETE, [value])
            self._complete.add(number)


@cache
def _pruner(name: str, steps: int) -> BasePruner:
    """Return a pruner of runs of so many steps.

    Gentler than Optuna's defaults, as docs/performance.md shows: the last stage of a recipe may turn the order round.
    """
    match name:
        case "median":
            return MedianPruner(n_warmup_steps=steps // 3)
        case "successive_halving":
            return SuccessiveHalvingPruner(min_resource=max(1, steps // 3), reduction_factor=2)
    return HyperbandPruner(min_resource=max(1, steps // 12), max_resource=steps, reduction_factor=2)
