"""One experiment, read from top to bottom."""

import io
import logging
import math
from dataclasses import dataclass

import numpy as np
import torch

from wavesweep import interrupts, plots
from wavesweep.baselines import baseline_forecasts
from wavesweep.config import Config, Training
from wavesweep.forecasting import Forecasts, forecast_part, to_network
from wavesweep.interrupts import Pruned
from wavesweep.metrics import drift, mse, scores
from wavesweep.networks import LinearForecaster
from wavesweep.results import Checkpoint, Listener, Metrics, Result
from wavesweep.rundir import RunDirectory, unseal, write_atomically
from wavesweep.schema import Refused, known
from wavesweep.splits import Part, Split
from wavesweep.training import GradientDescent, LeastSquares, Trains
from wavesweep.weights import Weights, copy_weights, serialize

log = logging.getLogger("wavesweep")

CHECKPOINT_VERSION = 1


@dataclass(frozen=True)
class Kept:
    """The weights to be tested, stored and served."""

    epoch: int
    objective: float
    weights: Weights
    metrics: Metrics


def run(
    config: Config, data: Split, directory: RunDirectory, listen: Listener, checkpoint: Checkpoint | None = None
) -> Result:
    """Train a model on data, keep the weights that forecast validation data best, and test those.

    Checkpoints are left for the caller to remove, once the end is recorded.

    Args:
        config: With derived values filled in (see shapes.fill_in).
        data: What `splits.load` gave for it.
        directory: Takes metrics, weights, checkpoint and pictures.
        listen: Is told of each record.
        checkpoint: What to go on from, to the same end to the last bit (see `load_checkpoint`).

    Raises:
        Interrupted: If a signal came; a checkpoint is there unless no epoch has ended.
        Pruned: If the listener gave the run up.
    """
    trainer = load_trainer(config, data)
    interrupts.check()
    network = trainer.network
    kept = Kept(0, math.inf, copy_weights(network), {})
    if checkpoint:
        trainer.restore(checkpoint["training"])
        kept = Kept(**checkpoint["kept"])
    illustrated = _illustrated_epochs(config, trainer)
    finite, records = True, trainer.records()
    while not _gave_up(config.training, kept, trainer) and (record := next(records, None)):
        finite = math.isfinite(record.loss) and all(weight.isfinite().all() for weight in network.parameters())
        forecasts = forecast_part(network, data.scaler, data.val)
        metrics = {"train/loss": record.loss, **_named("val", scores(forecasts, data.val, data.variance))}
        spent = {"seconds": trainer.seconds, "evaluations": float(trainer.evaluations)}
        directory.append_metrics(record.epoch, metrics | spent)
        if finite:
            if config.training.keep == "last" or metrics[config.objective] < kept.objective:
                kept = Kept(record.epoch, metrics[config.objective], copy_weights(network), metrics)
            if record.epoch in illustrated:
                _draw_validation(config, data, directory, record.epoch, forecasts)
            _save_checkpoint(directory, trainer, kept)
        try:
            listen(record.epoch, metrics, trainer.epochs)
        except Pruned:
            directory.append_metrics(None, _spent(trainer))
            plots.learning_curve(directory.figure("learning_curve"), directory.read_metrics(), kept.epoch)
            raise
    if interrupts.pending() and finite and not trainer.is_recorded(trainer.epoch):
        _save_checkpoint(directory, trainer, kept)
    interrupts.check()
    network.load_state_dict(kept.weights)
    write_atomically(directory.weights, serialize(kept.weights, data.scaler))
    if kept.epoch and kept.epoch not in illustrated:
        _draw_validation(config, data, directory, kept.epoch, forecast_part(network, data.scaler, data.val))
    diverged = not (finite and kept.epoch and math.isfinite(kept.objective))
    result = _conclude(config, data, directory, trainer, kept, diverged)
    plots.learning_curve(directory.figure("learning_curve"), directory.read_metrics(), kept.epoch)
    return result


def _gave_up(training: Training, kept: Kept, trainer: Trains) -> bool:
    """Say whether the stage in which training may end early has lasted `patience` epochs without a better one."""
    began = known(training.epochs) if training.refine_epochs else 0
    waited = trainer.epoch - max(kept.epoch, began)
    return trainer.is_recorded(trainer.epoch) and 0 < training.patience <= waited


def load_trainer(config: Config, data: Split) -> Trains:
    """Seed torch, build the network from the data's shape, and hand it the training part alone."""
    torch.set_num_threads(config.runtime.threads)
    torch.manual_seed(config.seed)
    network = config.model.build(len(config.dataset.channels), config.runtime.dtype).to(config.runtime.device)
    series = to_network(network, data.scaler.scale(data.train))
    network.adapt(series)
    if isinstance(network, LinearForecaster):
        return LeastSquares(network, series)
    return GradientDescent(network, series, config.training, config.optimizer, config.seed)


def _conclude(
    config: Config, data: Split, directory: RunDirectory, trainer: Trains, kept: Kept, diverged: bool
) -> Result:
    """Draw what the kept weights forecast, and score them on the test part; a diverged run has no scores."""
    part, name = (data.test, "test") if data.test else (data.val, "validation")
    forecasts = forecast_part(trainer.network, data.scaler, part)
    baselines = baseline_forecasts(data, part)
    others = _score_baselines(baselines, part, data.variance)
    best = min(baselines, key=lambda key: np.nan_to_num(others[f"{key}_scaled_mse"], nan=np.inf))
    title = _title(config, name, kept.epoch)
    interrupts.check()
    plots.forecast(directory.figure("forecast"), part, forecasts, title, {best: baselines[best]})
    interrupts.check()
    ahead = {"this run": forecasts.closed_loop, **baselines}  # not by its kind: a baseline is linear too
    plots.drift(directory.figure("drift"), drift(ahead, part.truth, data.variance), title)
    once = _spent(trainer)
    if diverged:
        directory.append_metrics(None, once)
        return Result(diverged=True, objective=math.nan, epoch=kept.epoch)
    if data.test:
        once |= _named("test", scores(forecasts, data.test, data.variance) | others)
    once |= _named("val", _score_baselines(baseline_forecasts(data, data.val), data.val, data.variance))
    directory.append_metrics(None, once)
    return Result(diverged=False, objective=kept.objective, epoch=kept.epoch, metrics=kept.metrics | once)


def _score_baselines(forecasts: dict[str, np.ndarray], part: Part, variance: np.ndarray) -> Metrics:
    return {f"{name}_scaled_mse": mse(forecast, part.truth, variance) for name, forecast in forecasts.items()}


def _spent(trainer: Trains) -> Metrics:
    return {"time/train_seconds": trainer.seconds, "cost/loss_evaluations": float(trainer.evaluations)}


def _named(part: str, values: Metrics) -> Metrics:
    return {f"{part}/{name}": value for name, value in values.items()}


def _illustrated_epochs(config: Config, trainer: Trains) -> set[int]:
    """Return the recorded epochs that get a picture: all, or the first, the last, and three between."""
    recorded = [epoch for epoch in range(1, trainer.epochs + 1) if trainer.is_recorded(epoch)]
    if config.training.epoch_figures == "all":
        return set(recorded)
    return {recorded[round(quarter * (len(recorded) - 1) / 4)] for quarter in range(5)}


def _draw_validation(config: Config, data: Split, directory: RunDirectory, epoch: int, forecasts: Forecasts) -> None:
    path = directory.figure(f"forecast_epoch_{epoch:03d}")
    plots.forecast(path, data.val, forecasts, _title(config, "validation", epoch))


def _title(config: Config, part: str, epoch: int) -> str:
    return f"{config.dataset.kind} · {part} series · epoch {epoch}"


def _save_checkpoint(directory: RunDirectory, trainer: Trains, kept: Kept) -> None:
    buffer = io.BytesIO()
    torch.save({"version": CHECKPOINT_VERSION, "training": trainer.state(), "kept": vars(kept)}, buffer)
    directory.save_checkpoint(buffer.getvalue())


def load_checkpoint(directory: RunDirectory) -> Checkpoint | None:
    """Return the directory's last checkpoint that is whole.

    Raises:
        Refused: If it has another format.
    """
    for path in (directory.checkpoint, directory.previous_checkpoint):
        if not path.exists():
            continue
        try:
            content = unseal(path.read_bytes())
        except ValueError:
            log.warning("%s is damaged, so the run goes on from further back", path)
            continue
        state = torch.load(io.BytesIO(content), weights_only=True)
        if state["version"] != CHECKPOINT_VERSION:
            raise Refused(
                f"{path} must have format {CHECKPOINT_VERSION}, got {state['version']}; resume with the version of "
                "wavesweep that wrote it, or start a new run"
            )
        return state
    return None
