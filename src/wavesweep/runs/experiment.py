"""One experiment, read from top to bottom."""

import math
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch

from wavesweep.base import signals
from wavesweep.base.errors import Pruned
from wavesweep.base.files import write_atomically
from wavesweep.base.names import LOSS_EVALUATIONS, OBJECTIVE, TRAIN_LOSS, TRAIN_SECONDS, baseline_score, metric
from wavesweep.base.terminal import Listener
from wavesweep.config.config import Config
from wavesweep.config.groups import REFINER, read_option
from wavesweep.data.splits import Part, Split
from wavesweep.models.baselines import baseline_forecasts
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.forecasting import Forecasts, forecast_part, to_network
from wavesweep.models.scores import Metrics, drift, mse, scores
from wavesweep.models.weights import is_finite, serialize
from wavesweep.runs import pictures
from wavesweep.runs.checkpoint import Checkpoint, Checkpoints, restore
from wavesweep.runs.directory import RunDirectory
from wavesweep.training.least_squares import LeastSquares
from wavesweep.training.optimizers import LBFGS
from wavesweep.training.selection import Selection
from wavesweep.training.steps import Spent
from wavesweep.training.trainer import GradientDescent, Trainer


@dataclass(frozen=True)
class Result:
    """The end of an experiment.

    Attributes:
        diverged: Whether loss or weights ceased to be finite, or the objective of the kept ones is not.
        objective: Of the weights that were kept, lower is better; nan where the run diverged.
        epoch: The epoch whose weights were kept, 0 being those before training.
        metrics: All that is measured once, and the recorded metrics of the kept epoch.
    """

    diverged: bool
    objective: float
    epoch: int
    metrics: Metrics = field(default_factory=dict)


def run(
    config: Config, data: Split, directory: RunDirectory, listen: Listener, checkpoint: Checkpoint | None = None
) -> Result:
    """Train a model on data, keep the weights that forecast validation data best, and test those.

    Checkpoints are left for the caller to remove, once the end is recorded.

    Args:
        config: With derived values filled in (see runs/preparation.py).
        data: Its parts.
        directory: Takes metrics, weights, checkpoint and pictures.
        listen: Is told of each record.
        checkpoint: What to go on from, to the same end to the last bit (see `load_checkpoint`).

    Raises:
        Interrupted: If a signal came; a checkpoint is there unless no epoch has ended.
        Pruned: If the listener gave the run up.
        Refused: If the checkpoint does not fit.
    """
    trainer = make_trainer(config, data)
    network = trainer.network
    selection = Selection(config.training, config.objective, network)
    signals.check()
    if checkpoint:
        selection.kept = restore(directory, trainer, checkpoint)
    checkpoints = Checkpoints(directory, trainer, selection)

    finite, forecasts = True, None
    for record in trainer.records(selection.gives_up, checkpoints.save_if_due):
        forecasts = forecast_part(network, data.scaler, data.val)
        metrics = {TRAIN_LOSS: record.loss, **_named("val", scores(forecasts, data.val, data.variance))}
        directory.append_metrics(record.epoch, metrics | _costs(trainer.spent))
        finite = math.isfinite(record.loss) and is_finite(network)
        if finite:
            selection.consider(record.epoch, metrics)
            if record.epoch == 1 or config.training.epoch_figures == "all":
                _draw_validation(config, data, directory, network, record.epoch, forecasts)
        try:
            listen(record.epoch, metrics, trainer.epochs)
        except Pruned:
            directory.append_metrics(None, _totals(trainer.spent))
            pictures.learning_curve(directory, selection.kept.epoch, trainer.main_epochs)
            raise
    if finite:
        checkpoints.save()
    signals.check()

    kept = selection.kept
    if finite:
        _draw_validation(config, data, directory, network, trainer.epoch, forecasts)
        signals.check()
    network.load_state_dict(kept.weights)
    write_atomically(directory.weights, serialize(kept.weights, data.scaler))
    if kept.epoch:
        _draw_validation(config, data, directory, network, kept.epoch)
    once = _conclude(config, data, directory, network, kept.epoch)
    diverged = not (finite and kept.epoch and math.isfinite(kept.objective))
    once = _totals(trainer.spent) | ({} if diverged else {OBJECTIVE: kept.objective, **once})
    directory.append_metrics(None, once)
    pictures.learning_curve(directory, kept.epoch, trainer.main_epochs)
    if diverged:
        return Result(diverged=True, objective=math.nan, epoch=kept.epoch)
    return Result(diverged=False, objective=kept.objective, epoch=kept.epoch, metrics=kept.metrics | once)


def make_trainer(config: Config, data: Split) -> Trainer:
    """Seed torch, build the network from the data's shape, and hand it the training part alone."""
    torch.set_num_threads(config.runtime.threads)
    torch.manual_seed(config.seed)
    network = config.model.build(len(config.dataset.channels), config.runtime.dtype).to(config.runtime.device)
    series = to_network(network, data.scaler.scale(data.train))
    network.adapt(series)
    if not config.model.has_gradient:
        return LeastSquares(network, series)
    return GradientDescent(network, series, config.training, config.optimizer, _refiner(), config.seed)


@cache
def _refiner() -> LBFGS:
    """Return the refinement's optimizer: the option `optimizer=lbfgs` of this package."""
    return LBFGS.model_validate(read_option(*REFINER))


def _draw_validation(
    config: Config,
    data: Split,
    directory: RunDirectory,
    network: Forecaster,
    epoch: int,
    forecasts: Forecasts | None = None,
) -> None:
    """Draw what the network forecasts of the validation part after an epoch, unless that was done."""
    path = directory.figure(f"forecast_epoch_{epoch:03d}")
    if not path.exists():
        forecasts = forecasts or forecast_part(network, data.scaler, data.val)
        windows = 3 if config.training.epoch_figures == "all" else 1  # all: as the article draws them
        pictures.forecast(path, data.val, forecasts, _title(config, "validation", epoch), windows=windows)


def _title(config: Config, part: str, epoch: int) -> str:
    return f"{config.dataset.kind} · {part} series · epoch {epoch}"


def _conclude(config: Config, data: Split, directory: RunDirectory, network: Forecaster, epoch: int) -> Metrics:
    """Draw what the kept weights forecast; return their scores on the test part beside the baselines' on both."""
    part, name = (data.test, "test") if data.test else (data.val, "validation")
    forecasts, baselines = forecast_part(network, data.scaler, part), baseline_forecasts(data, part)
    others = _score_baselines(baselines, part, data.variance)
    best = min(baselines, key=lambda key: np.nan_to_num(others[baseline_score(key)], nan=np.inf))
    title = _title(config, name, epoch)
    signals.check()
    pictures.forecast(directory.figure("forecast"), part, forecasts, title, {best: baselines[best]})
    signals.check()
    ahead = {"this run": forecasts.closed_loop, **baselines}  # not by its kind: a baseline is linear too
    pictures.drift(directory.figure("drift"), drift(ahead, part.truth, data.variance), title)
    on_test = _named("test", scores(forecasts, part, data.variance) | others) if data.test else {}
    if data.test:
        others = _score_baselines(baseline_forecasts(data, data.val), data.val, data.variance)
    return on_test | _named("val", others)


def _score_baselines(forecasts: dict[str, np.ndarray], part: Part, variance: np.ndarray) -> Metrics:
    return {baseline_score(name): mse(forecast, part.truth, variance) for name, forecast in forecasts.items()}


def _costs(spent: Spent) -> Metrics:
    return {"seconds": spent.seconds, "evaluations": float(spent.evaluations)}


def _totals(spent: Spent) -> Metrics:
    return {TRAIN_SECONDS: spent.seconds, LOSS_EVALUATIONS: float(spent.evaluations)}


def _named(part: str, values: Metrics) -> Metrics:
    return {metric(part, name): value for name, value in values.items()}
