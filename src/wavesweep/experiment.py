"""One experiment, read from top to bottom."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
import torch

from wavesweep import plots
from wavesweep.baselines import baseline_scores
from wavesweep.config import Config
from wavesweep.forecasting import Forecasts, forecast_part, to_network
from wavesweep.metrics import scores
from wavesweep.networks import Forecaster
from wavesweep.rundir import RunDirectory, read_with_digest, write_with_digest
from wavesweep.splits import Split
from wavesweep.training import Record, Trainer
from wavesweep.weights import Weights, copy_weights, serialize

Metrics = dict[str, float]
Listener = Callable[[Record, Metrics, int], None]
"""Called at each record, with its metrics and the number of epochs in all."""


@dataclass(frozen=True)
class Result:
    """How an experiment ended.

    Attributes:
        diverged: Whether the loss, or each forecast on validation data, ceased to be finite.
        objective: Of the weights that were kept, lower is better; nan where the run diverged.
        epoch: The epoch whose weights were kept, 0 being those before training.
        metrics: All that is measured once, and the recorded metrics of the kept epoch.
    """

    diverged: bool
    objective: float
    epoch: int
    metrics: Metrics = field(default_factory=dict)


@dataclass
class _Kept:
    """The weights to be tested, stored and served."""

    epoch: int
    objective: float
    weights: Weights
    metrics: Metrics


def describe_inputs(data: Split) -> list[dict[str, Any]]:
    """Return digest and shape of each part of the data, for MLflow's dataset inputs."""
    parts = {"training": data.train, "validation": data.val.observed}
    parts |= {"test": data.test.observed} if data.test else {}
    return [
        {"context": name, "digest": sha256(values.tobytes()).hexdigest()[:16], "shape": list(values.shape)}
        for name, values in parts.items()
    ]


def load_trainer(config: Config, data: Split) -> Trainer:
    """Seed torch, build the network from the data's shape, and hand it the training part alone."""
    torch.set_num_threads(config.runtime.threads)
    torch.manual_seed(config.seed)
    network = config.model.build(len(config.dataset.channels), config.runtime.dtype).to(config.runtime.device)
    series = to_network(network, data.scaler.scale(data.train))
    return Trainer(network, series, config.training, config.optimizer)


def run(config: Config, data: Split, directory: RunDirectory, listen: Listener) -> Result:
    """Train a model on data, keep the weights that forecast validation data best, and test those.

    A checkpoint in the directory is taken up: the run goes on from it to the same end, to the last bit.

    Args:
        config: With derived values filled in (see shapes.fill_in).
        data: What `splits.load` gave for it.
        directory: Takes metrics, weights, checkpoint and pictures.
        listen: Is told of each record.
    """
    trainer = load_trainer(config, data)
    network = trainer.network
    kept = _restore(directory, trainer) or _Kept(0, math.inf, copy_weights(network), {})
    finite = True
    for record in trainer.records():
        finite = math.isfinite(record.loss)
        forecasts = forecast_part(network, data.scaler, data.val)
        metrics = {"train/loss": record.loss, **_prefixed("val", scores(forecasts, data.val, data.variance))}
        directory.append_metrics(record.epoch, metrics)
        kept = _better(config, kept, record, metrics, network) if finite else kept
        listen(record, metrics, trainer.epochs)
        if finite:
            _draw_epoch(config, data, directory, trainer, record.epoch, forecasts)
            _save_checkpoint(directory, trainer, kept)
    network.load_state_dict(kept.weights)
    write_with_digest(directory.weights, serialize(kept.weights, data.scaler))
    diverged = not (finite and math.isfinite(kept.objective))
    result = _test(config, data, directory, trainer, network, kept, diverged)
    plots.learning_curve(directory.figure("learning_curve"), directory.read_metrics(), result.epoch)
    directory.remove_checkpoint()
    return result


def _better(config: Config, kept: _Kept, record: Record, metrics: Metrics, network: Forecaster) -> _Kept:
    """Return the better of the weights kept so far and those of this epoch (the last: `keep=last`)."""
    objective = metrics[config.objective]
    if config.training.keep == "last" or objective < kept.objective:
        return _Kept(record.epoch, objective, copy_weights(network), metrics)
    return kept


def _test(
    config: Config,
    data: Split,
    directory: RunDirectory,
    trainer: Trainer,
    network: Forecaster,
    kept: _Kept,
    diverged: bool,
) -> Result:
    """Score and draw the kept weights on the test part; validation stands in where there is none."""
    if not diverged and kept.epoch:
        best = forecast_part(network, data.scaler, data.val)
        _draw_epoch(config, data, directory, trainer, kept.epoch, best, force=True)
    part = data.test or data.val
    forecasts = forecast_part(network, data.scaler, part)
    plots.forecast(
        directory.figure("forecast"), part, forecasts, _title(config, "test" if data.test else "validation", kept.epoch)
    )
    if diverged:
        return Result(diverged=True, objective=math.nan, epoch=kept.epoch)
    once = {"time/train_seconds": trainer.seconds, "cost/loss_evaluations": float(trainer.evaluations)}
    if data.test:
        once |= _prefixed("test", scores(forecasts, data.test, data.variance) | baseline_scores(data))
    directory.append_metrics(trainer.epoch, once)
    return Result(diverged=False, objective=kept.objective, epoch=kept.epoch, metrics=kept.metrics | once)


def _prefixed(part: str, values: Metrics) -> Metrics:
    return {f"{part}/{name}": value for name, value in values.items()}


def _draw_epoch(
    config: Config,
    data: Split,
    directory: RunDirectory,
    trainer: Trainer,
    epoch: int,
    forecasts: Forecasts,
    force: bool = False,
) -> None:
    path = directory.figure(f"forecast_epoch_{epoch:03d}")
    if force and path.exists():
        return
    if force or config.training.epoch_figures == "all" or epoch in _figure_epochs(trainer):
        plots.forecast(path, data.val, forecasts, _title(config, "validation", epoch))


def _figure_epochs(trainer: Trainer) -> set[int]:
    """Return the recorded epochs that get a picture: the first, the last, and three between."""
    recorded = [epoch for epoch in range(1, trainer.epochs + 1) if trainer.records_epoch(epoch)]
    return {recorded[index] for index in np.linspace(0, len(recorded) - 1, 5).round().astype(int)}


def _title(config: Config, part: str, epoch: int) -> str:
    return f"{config.dataset.kind} · {part} series · epoch {epoch}"


def _save_checkpoint(directory: RunDirectory, trainer: Trainer, kept: _Kept) -> None:
    buffer = io.BytesIO()
    torch.save({"version": 1, "training": trainer.state(), "kept": vars(kept)}, buffer)
    write_with_digest(directory.checkpoint, buffer.getvalue())


def _restore(directory: RunDirectory, trainer: Trainer) -> _Kept | None:
    """Take up the directory's checkpoint, if there is one; return the weights kept until then."""
    if not directory.checkpoint.exists():
        return None
    state = torch.load(io.BytesIO(read_with_digest(directory.checkpoint)), weights_only=True)
    trainer.restore(state["training"])
    directory.drop_metrics_after(trainer.epoch)
    return _Kept(**state["kept"])
