"""Selecting the epoch whose weights are kept, and ending training early."""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from wavesweep.training.configured import ResolvedTraining

from wavesweep.evaluation.comparison import is_beyond_noise
from wavesweep.evaluation.metric_names import QUANTILE_LOSS, metric, watched
from wavesweep.evaluation.scores import Metrics
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.weights import Weights, copy_weights

MOST_CANDIDATES = 2


@dataclass(frozen=True)
class Judged:
    """What a network is worth on all validation data.

    Attributes:
        metrics: Its scores.
        closed_loop: Its forecasts, (window, horizon, channel), in the units of the data.
        by_origin: Mean squared error at each origin, (origin,), scaled: of several series, over them.
        quantile_losses: Where quantiles are trained, their mean loss at each origin, likewise; else None.
    """

    metrics: Metrics
    closed_loop: np.ndarray
    by_origin: np.ndarray
    quantile_losses: np.ndarray | None = None

    @property
    def compared(self) -> np.ndarray:
        """What tells whether it is better than another beyond noise, (origin,)."""
        return self.by_origin if self.quantile_losses is None else self.quantile_losses


@dataclass(frozen=True)
class Kept:
    """The weights to be tested, stored and served.

    Attributes:
        epoch: After which they stood; 0: before training.
        objective: Their score on validation data, lower is better.
        weights: By name.
        metrics: What was recorded of the epoch.
    """

    epoch: int
    objective: float
    weights: Weights
    metrics: Metrics


class Selection:
    """Keeps the weights of the epoch with the best objective on validation data, or of the last.

    Args:
        training: Its settings.
        objective: The metric that judges epochs.
        network: What is trained.
        whole: Whether these metrics are of all validation data, so that there is nothing left to decide.

    Attributes:
        start: The weights before training.
        candidates: The best so far, the best first, among which `decide` chooses: if there are several, the last too,
            which a sample of the origins may have misjudged.
    """

    def __init__(
        self, training: "ResolvedTraining", objective: str, network: Forecaster, *, whole: bool = True
    ) -> None:
        self.training, self.objective, self.network = training, objective, network
        self.most = 1 if whole or training.keep == "last" else MOST_CANDIDATES
        self.start = Kept(0, math.inf, copy_weights(network), {})
        self.candidates = [self.start]

    @property
    def kept(self) -> Kept:
        """What is kept so far."""
        return self.candidates[0]

    def consider(self, epoch: int, metrics: Metrics) -> None:
        """Keep the weights as they are now, if these metrics say so."""
        key = watched(metric("val", QUANTILE_LOSS), metrics)  # what is trained, where that is known
        value = metrics[key if key in metrics else watched(self.objective, metrics)]
        last = self.training.keep == "last"
        better = 0 if last else sum(one.objective <= value for one in self.candidates)
        among_best = last or (better < self.most and value < math.inf)
        if among_best or (self.most > 1 and value < math.inf):
            kept = Kept(epoch, value, copy_weights(self.network), metrics)
            others = [one for one in self.candidates if one.epoch]
            self.candidates = [*others[:better], kept, *others[better:]][: self.most]
            if not among_best:
                self.candidates.append(kept)

    def decide(
        self, judge: Callable[[], Judged], overlap: int, combine: Callable[[], object] = lambda: None
    ) -> Generator[int, None, Judged]:
        """Keep the candidate that scores best on all validation data, and leave the network with its weights.

        A network that forecasts before it is trained stays at its start, unless the candidate's forecasts are better
        beyond noise.

        Args:
            judge: Judges the network as it is.
            overlap: Origins on from which no forecast shares a step with the first.
            combine: Decides by validation data which share each part of a trained network has in its forecast.

        Yields:
            How many were judged.

        Returns:
            What is kept, as it was judged.
        """
        judged = []
        for one in self.candidates:
            judged.append(self._judge_combined(one, judge, combine))
            yield len(judged)
        best, found = min(judged, key=lambda pair: self._score(pair[1]))
        if self.network.is_fitted and self.training.keep == "best":
            start = self._judge(self.start, judge)
            if not is_beyond_noise(found.compared, start.compared, overlap):
                best, found = self.start, start
        self.candidates = [replace(best, objective=found.metrics[self.objective])]
        self.network.load_state_dict(self.kept.weights)
        return found

    def _judge_combined(
        self, one: Kept, judge: Callable[[], Judged], combine: Callable[[], object]
    ) -> tuple[Kept, Judged]:
        self.network.load_state_dict(one.weights)
        if one.epoch:
            combine()
        return replace(one, weights=copy_weights(self.network)), judge()

    def _judge(self, one: Kept, judge: Callable[[], Judged]) -> Judged:
        self.network.load_state_dict(one.weights)
        return judge()

    def _score(self, judged: Judged) -> float:
        score = judged.metrics[self.objective]
        if judged.quantile_losses is not None:
            score = float(judged.quantile_losses.mean())
        return math.inf if math.isnan(score) else score

    def gives_up(self, epoch: int) -> bool:
        """Say whether the last stage has lasted `patience` epochs without a better one."""
        began = self.training.epochs if self.training.refine_epochs else 0
        return 0 < self.training.patience <= epoch - max(self.kept.epoch, began)
