"""One experiment, read from top to bottom."""

import math

import numpy as np
import torch

from wavesweep.base import signals
from wavesweep.base.errors import Pruned
from wavesweep.base.files import write_atomically
from wavesweep.config.config import Resolved
from wavesweep.data.data import Data
from wavesweep.data.parts import Part
from wavesweep.evaluation import beside_baselines
from wavesweep.evaluation.forecasting import forecast_part, to_network
from wavesweep.evaluation.metric_names import (
    KEPT_SCALED,
    LOSS_EVALUATIONS,
    MAE,
    MASE,
    OBJECTIVE,
    SCALED,
    TRAIN_LOSS,
    TRAIN_SECONDS,
    baseline_score,
    metric,
)
from wavesweep.evaluation.scores import Errors, Metrics, errors, mean_absolute_scaled_error, scores
from wavesweep.evaluation.selection import Judged, Selection
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.losses import LOSSES
from wavesweep.models.weights import is_finite, serialize
from wavesweep.runs import pictures
from wavesweep.runs.checkpoint import Checkpoint, Checkpoints, restore
from wavesweep.runs.progress import Listener
from wavesweep.runs.result import Result, best_baseline
from wavesweep.training.least_squares import LeastSquares
from wavesweep.training.steps import Spent
from wavesweep.training.trainer import GradientDescent, Trainer
from wavesweep.workspace.directory import RunDirectory


def run(
    config: Resolved, data: Data, directory: RunDirectory, listen: Listener, checkpoint: Checkpoint | None = None
) -> Result:
    """Train a model on data, keep the weights that forecast validation data best, and test those.

    Checkpoints are left for the caller to remove, once the end is recorded.

    Args:
        config: What to run (see runs/preparation.py).
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
    network, watched = trainer.network, _watched(config, data)
    whole = watched is data.val and not network.is_fitted
    selection = Selection(config.training, config.objective, network, whole=whole)
    signals.check()
    if checkpoint:
        selection.candidates = restore(directory, trainer, checkpoint)
    checkpoints = Checkpoints(directory, trainer, selection)

    finite = True
    for record in trainer.records(selection.gives_up, checkpoints.save_if_due):
        metrics = {TRAIN_LOSS: record.loss, **_judge(network, data, watched).metrics}
        directory.append_metrics(record.epoch, metrics | _costs(trainer.spent))
        finite = math.isfinite(record.loss) and is_finite(network)
        if finite:
            selection.consider(record.epoch, metrics)
            if record.epoch == 1 or config.training.epoch_figures == "all":
                _draw_validation(config, data, directory, network, record.epoch)
        try:
            listen(record.epoch, metrics, trainer.epochs)
        except Pruned:
            directory.append_metrics(None, _totals(trainer.spent))
            pictures.learning_curve(directory, selection.kept.epoch, trainer.main_epochs)
            raise
    if finite:
        checkpoints.save()
    signals.check()

    if finite:
        _draw_validation(config, data, directory, network, trainer.epoch)
        signals.check()
    network.load_state_dict(selection.kept.weights)
    judged = _judge(network, data, data.val) if whole else _decide(selection, network, data)
    kept = selection.kept
    widths = beside_baselines.calibrate(judged.closed_loop, data, config.forecast.coverage)
    write_atomically(directory.weights, serialize(kept.weights, data.pooled, widths))
    if kept.epoch:
        _draw_validation(config, data, directory, network, kept.epoch)
    baselines = beside_baselines.fit_baselines(data)
    once = _conclude(config, data, directory, network, widths, baselines, kept.epoch)
    diverged = not (finite and math.isfinite(kept.objective))
    if not diverged:
        once |= {
            OBJECTIVE: kept.objective,
            metric("val", KEPT_SCALED): judged.metrics[metric("val", SCALED)],
        }
    once = _totals(trainer.spent) | ({} if diverged else once)
    directory.append_metrics(None, once)
    pictures.learning_curve(directory, kept.epoch, trainer.main_epochs)
    if diverged:
        return Result(diverged=True, objective=math.nan, epoch=kept.epoch)
    notes = {name: one.note for name, one in baselines.items()}
    return Result(False, kept.objective, kept.epoch, kept.metrics | once, notes)


def _watched(config: Resolved, data: Data) -> Part:
    """Return the validation windows that are forecast after each epoch: all, or some that are evenly spread."""
    if data.division.forecasts_once:
        return data.val
    window = config.forecast.context + config.forecast.horizon
    count = config.training.watched_origins([len(one) for one in data.train], window)
    return data.val if count >= len(data.val.start) else data.val.spread(count)


def _judge(network: Forecaster, data: Data, part: Part) -> Judged:
    """Forecast validation windows, and score that."""
    forecasts = forecast_part(network, data.scaler, part)
    by_window = errors(forecasts.closed_loop, part, data.units).by_window
    return Judged(_named("val", scores(forecasts, part, data.units)), forecasts.closed_loop, by_window)


def _decide(selection: Selection, network: Forecaster, data: Data) -> Judged:
    return selection.decide(lambda: _judge(network, data, data.val), data.val.overlap)


def make_trainer(config: Resolved, data: Data) -> Trainer:
    """Seed torch, build the network from the data's shape, and hand it the training part alone."""
    torch.set_num_threads(config.runtime.threads)
    torch.manual_seed(config.seed)
    loss = LOSSES[config.training.loss]
    network = config.model.build(len(data.channels), config.forecast.horizon, config.runtime.dtype, loss)
    network = network.to(config.runtime.device)
    series = [to_network(network, one) for one in data.scaled(data.scaler)]
    network.adapt(series)
    if not config.model.has_gradient:
        return LeastSquares(network, series)
    return GradientDescent(network, series, config.training, config.optimizer, config.seed)


def _draw_validation(config: Resolved, data: Data, directory: RunDirectory, network: Forecaster, epoch: int) -> None:
    """Draw what the network forecasts of the validation part after an epoch, unless that was done."""
    path = directory.figure(f"forecast_epoch_{epoch:03d}")
    if not path.exists():
        windows = 3 if config.training.epoch_figures == "all" else 1  # all: as the article draws them
        part = beside_baselines.shown(data.val, windows)
        forecasts, title = forecast_part(network, data.scaler, part), _title(config, data, "validation", epoch)
        pictures.forecast(path, part, forecasts, title, data.channels, data.division.labels(part))


def _title(config: Resolved, data: Data, part: str, epoch: int) -> str:
    when = f"epoch {epoch}" if epoch else "before training"
    return f"{config.dataset.title} · {part} {data.division.part} · {when}"


def _conclude(
    config: Resolved,
    data: Data,
    directory: RunDirectory,
    network: Forecaster,
    widths: np.ndarray | None,
    baselines: beside_baselines.Baselines,
    epoch: int,
) -> Metrics:
    """Score the kept weights beside the baselines, and draw what they forecast: of the test part, if there is one.

    How much better they are than a baseline, and how its intervals do, is told of the one that is best on validation
    data.
    """
    others = beside_baselines.errors_by(baselines, data, data.val)
    metrics = _named("val", _of_baselines(others))
    best = best_baseline(metrics)
    signals.check()
    part, name = (data.test, "test") if data.test else (data.val, "validation")
    forecasts = forecast_part(network, data.scaler, part)
    own = errors(forecasts.closed_loop, part, data.units)
    if data.test:
        others = beside_baselines.errors_by(baselines, data, part)
        mase = mean_absolute_scaled_error(forecasts.closed_loop, part, data)
        tested = scores(forecasts, part, data.units) | {MAE: own.absolute, MASE: mase}
        metrics |= _named("test", tested | _of_baselines(others) | beside_baselines.gain(own, others[best], part))
        coverage, ahead = config.forecast.coverage, forecasts.closed_loop
        intervals = beside_baselines.score_intervals(ahead, widths, baselines[best], part, data, coverage)
        metrics |= _named("test", intervals)
    signals.check()
    some, title = beside_baselines.shown(part, 3), _title(config, data, name, epoch)
    labels, channels = data.division.labels(some), data.channels
    beside = {best: beside_baselines.forecast_by(baselines[best], data, some)}
    bands = {} if widths is None else {config.forecast.interval: widths * data.units.of(some.series).std}
    drawn = forecast_part(network, data.scaler, some)
    pictures.forecast(directory.figure("forecast"), some, drawn, title, channels, labels, beside, bands)
    signals.check()
    steps = {"this run": own, **others}  # not by its kind: a baseline is linear too
    pictures.drift(directory.figure("drift"), {key: one.by_step for key, one in steps.items()}, title)
    return metrics


def _of_baselines(errors: dict[str, Errors]) -> Metrics:
    return {baseline_score(name): one.mean for name, one in errors.items()}


def _costs(spent: Spent) -> Metrics:
    return {"seconds": spent.seconds, "evaluations": float(spent.evaluations)}


def _totals(spent: Spent) -> Metrics:
    return {TRAIN_SECONDS: spent.seconds, LOSS_EVALUATIONS: float(spent.evaluations)}


def _named(part: str, values: Metrics) -> Metrics:
    return {metric(part, name): value for name, value in values.items()}
