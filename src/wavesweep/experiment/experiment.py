"""One experiment, read from top to bottom."""

import math
from collections.abc import Generator, Iterator
from copy import deepcopy
from functools import partial
from typing import TypeVar

import numpy as np
import torch

from hydra_queue_sweeper.base import signals
from wavesweep.config.config import Resolved
from wavesweep.data.data import Data
from wavesweep.data.parts import Part
from wavesweep.data.widths import Widths
from wavesweep.evaluation import beside_baselines
from wavesweep.evaluation.beside_baselines import calibrate, calibrate_quantiles, forecast_by, reach_of
from wavesweep.evaluation.by_origin import ErrorsByOrigin, errors_by_origin
from wavesweep.evaluation.by_series import telling_windows
from wavesweep.evaluation.forecasting import Forecasts, forecast_part, quantiles_of_part, to_network
from wavesweep.evaluation.kept_epoch import Judged, Selection
from wavesweep.evaluation.metric_names import (
    KEPT_SCALED,
    LOSS_EVALUATIONS,
    OBJECTIVE,
    QUANTILE_LOSS,
    SCALED,
    SHARE,
    TRAIN_LOSS,
    TRAIN_SECONDS,
    baseline_score,
    metric,
    sampled,
)
from wavesweep.evaluation.scores import Errors, Metrics, errors, scores
from wavesweep.evaluation.shown import Named, ShownErrors, ShownForecasts
from wavesweep.experiment.checkpoint import Checkpoint, restore, state_of
from wavesweep.experiment.events import Advanced, Drawable, Event, Finished, Kept, Phase, Recorded, Started
from wavesweep.experiment.result import Result, best_baseline
from wavesweep.experiment.testing import interval_bounds, own_quantiles, score_test
from wavesweep.models.baseline import MOST_WINDOWS, Baseline, Windows
from wavesweep.models.baseline_names import BASELINES
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.losses import Quantile
from wavesweep.models.weights import copy_weights, is_finite
from wavesweep.training.configured import watched_origins
from wavesweep.training.least_squares import LeastSquares
from wavesweep.training.trainer import GradientDescent, Trainer

T = TypeVar("T")


def experiment(config: Resolved, data: Data, resume_from: Checkpoint | None = None) -> Iterator[Event]:
    """Train a model on data, keep the weights that forecast validation data best, and test those.

    It computes: what comes of it are events, which others write, draw, show and judge. Whoever takes them may leave
    off at any, to give the run up.

    Args:
        config: What to run (see preparation.py).
        data: Its parts.
        resume_from: What to go on from, to the same end to the last bit.

    Raises:
        Interrupted: If a signal came (see base/signals.py), once the epoch has ended if that doesn't take long.
        Refused: If the checkpoint does not fit.
    """
    trainer = make_trainer(config, data)
    network, watched = trainer.network, _watched(config, data)
    whole = watched is data.val and not network.is_fitted
    selection = Selection(config.training, config.objective, network, whole=whole)
    signals.check()
    if resume_from:
        restore(trainer, selection, resume_from)

    yield Started(trainer.epoch, trainer.epochs)
    yield Phase("training", trainer.epoch, trainer.epochs)
    finite = True
    for epoch in trainer.run(selection.gives_up):
        if epoch.is_recorded:
            _combine(network, data, watched)
            metrics = {TRAIN_LOSS: epoch.loss, **_judge(network, data, watched).metrics}
            finite = math.isfinite(epoch.loss) and is_finite(network)
            if finite:
                selection.consider(epoch.epoch, metrics)
                # Before the record, at which a sweep may give the run up.
                if epoch.epoch == 1 or config.training.epoch_figures == "all":
                    yield _show_validation(config, data, network, epoch.epoch)
            spent = trainer.spent
            yield Recorded(epoch.epoch, trainer.epochs, metrics, spent.seconds, spent.evaluations)
        if math.isfinite(epoch.loss):
            yield Advanced(epoch.epoch, lambda: state_of(trainer, selection))
        yield Phase("training", epoch.epoch, trainer.epochs)

    yield Phase("judging", 0, len(selection.candidates))
    signals.check()
    if finite:
        yield _show_validation(config, data, network, trainer.epoch)
        signals.check()
    network.load_state_dict(selection.kept.weights)
    if whole:
        judged = _judge(network, data, data.val)
    else:
        judged = yield from _in_steps("judging", len(selection.candidates), _decide(selection, network, data))
    kept = selection.kept
    widths = calibrate(judged.closed_loop, data, config.forecast.coverage)
    if widths is not None:
        own = own_quantiles(config, network, kept.epoch, data, data.val)
        widths = calibrate_quantiles(judged.closed_loop, own, widths, data, config.forecast)
    refitted = _fit_again(config, data, network, kept.epoch)
    yield Kept(kept.epoch, copy_weights(refitted or network), data.pooled, widths, data.effects)
    if kept.epoch:
        yield _show_validation(config, data, network, kept.epoch)

    yield Phase("baselines", 0, len(BASELINES))
    fitted: dict[str, Baseline] = {}
    errors_of_baselines: dict[str, Errors] = {}
    for name, baseline in beside_baselines.fit_each_baseline(data):
        fitted[name], errors_of_baselines[name] = baseline, beside_baselines.error_by(baseline, data, data.val)
        yield Phase("baselines", len(fitted), len(BASELINES))
        signals.check()
    baselines: beside_baselines.Baselines = fitted
    once = _named("val", _of_baselines(errors_of_baselines))
    best = best_baseline(once)

    part, name = (data.test, "test") if data.test else (data.val, "validation")
    number = 1 + len(baselines) if data.test else 1
    yield Phase("testing", 0, number)
    in_units, by_series = {}, []
    if data.test:
        test = score_test(config, data, part, network, refitted, widths, baselines, best, errors_of_baselines)
        tested = yield from _in_steps("testing", number, test)
        own, baselines, errors_of_baselines = tested.own, tested.baselines, tested.errors_of_baselines
        once, by_series, in_units = once | tested.metrics, tested.by_series, tested.in_units
        network = refitted or network
    else:
        own = errors(judged.closed_loop, part, data.units)
    signals.check()
    title = _title(config, data, name, kept.epoch)
    some, which = _telling(data, part, own)
    yield _show_beside(config, data, network, some, title + which, widths, best, baselines[best])
    signals.check()
    steps = {"this run": own, **errors_of_baselines}  # not by its kind: a baseline is linear too
    yield Drawable("drift", ShownErrors(title, {key: one.by_step for key, one in steps.items()}))

    spent = {TRAIN_SECONDS: trainer.spent.seconds, LOSS_EVALUATIONS: float(trainer.spent.evaluations)}
    if not (finite and math.isfinite(kept.objective)):
        yield Finished(Result(diverged=True, objective=math.nan, epoch=kept.epoch), spent)
        return
    once = spent | once
    if kept.epoch:
        once |= {SHARE + name: share for name, share in network.parts().items()}
    once |= {OBJECTIVE: kept.objective, metric("val", KEPT_SCALED): judged.metrics[metric("val", SCALED)]}
    notes = {key: one.note for key, one in baselines.items()}
    result = Result(False, kept.objective, kept.epoch, kept.metrics | once, notes, by_series, in_units)
    yield Finished(result, once, _by_origin(config, data, judged))


def _fit_again(config: Resolved, data: Data, network: Forecaster, epoch: int) -> Forecaster | None:
    """Return the linear forecast, where there is no other, fitted to validation data too, if that is asked for."""
    if config.forecast.refit == "none" or not config.model.is_linear(epoch):
        return None
    refitted = deepcopy(network)
    series = [to_network(refitted, one) for one in data.scaler.scale_each(data.without_effects.before_test)]
    if config.model.has_gradient:
        refitted.adapt(series)
    else:
        refitted.fit(series)
    return refitted


def _watched(config: Resolved, data: Data) -> Part:
    """Return the validation windows that are forecast after each epoch: all, or some that are evenly spread."""
    if data.division.forecasts_once:
        return data.val
    window = config.forecast.context + config.forecast.horizon
    count = watched_origins(config.training.window, [len(one) for one in data.train], window)
    return data.val if count >= len(data.val.start) else data.val.spread(count)


def _judge(network: Forecaster, data: Data, part: Part) -> Judged:
    """Forecast validation windows, all or some, and score that under names that tell which."""
    forecasts = forecast_part(network, data.scaler, part)
    by_window = errors(forecasts.closed_loop, part, data.units).by_window
    found = scores(forecasts, part, data.units)
    own = quantiles_of_part(network, data.scaler, part) if isinstance(network.loss, Quantile) else None
    losses = None
    if isinstance(network.loss, Quantile) and own is not None:
        levels = network.loss.levels
        found[QUANTILE_LOSS] = float(beside_baselines.losses_of_quantiles(own, part, data, levels).mean())
        if part is data.val:
            calibrated = beside_baselines.calibrated_quantiles(forecasts.closed_loop, own, data, levels)
            losses = part.by_origin(beside_baselines.losses_of_quantiles(calibrated, part, data, levels))
    metrics = _named("val", found)
    if part is not data.val:
        metrics = {sampled(key): value for key, value in metrics.items()}
    return Judged(metrics, forecasts.closed_loop, part.by_origin(by_window), losses)


def _in_steps(name: str, number: int, steps: Generator[int, None, T]) -> Generator[Event, None, T]:
    """Tell how far what is done in so many steps is; return what comes of it."""
    while True:
        try:
            done = next(steps)
        except StopIteration as ended:
            return ended.value
        yield Phase(name, done, number)
        signals.check()


def _decide(selection: Selection, network: Forecaster, data: Data) -> Generator[int, None, Judged]:
    combine = partial(_combine, network, data, data.val)
    return selection.decide(lambda: _judge(network, data, data.val), data.val.overlap, combine)


def _combine(network: Forecaster, data: Data, part: Part) -> None:
    """Let validation windows, a few hundred at most, decide which share each part of a network has."""
    some = part.spread(MOST_WINDOWS)
    network.combine(Windows.of(some.without_effects(), data.scaler), some.known(data.scaler))


def _by_origin(config: Resolved, data: Data, judged: Judged) -> ErrorsByOrigin | None:
    """Return the errors whose mean is the objective, at each of the validation origins, where there are many."""
    if config.objective != metric("val", SCALED) or data.division.forecasts_once:
        return None
    return errors_by_origin(judged.by_origin, data.val)


def make_trainer(config: Resolved, data: Data) -> Trainer:
    """Seed torch, build the network from the data's shape, and hand it the training part alone."""
    torch.set_num_threads(config.runtime.threads)
    torch.manual_seed(config.seed)
    loss = config.loss
    num_channels, horizon, dtype = len(data.channels), config.forecast.horizon, config.runtime.dtype
    network = config.model.build(num_channels, horizon, dtype, loss, data.num_features).to(config.runtime.device)
    series = [to_network(network, one) for one in data.without_effects.scaled(data.scaler)]
    network.adapt(series)
    if not config.model.has_gradient:
        return LeastSquares(network, series)
    known = [to_network(network, one) for one in data.known_in_training()]
    return GradientDescent(network, series, config.training, config.optimizer, config.seed, known)


def _show_validation(config: Resolved, data: Data, network: Forecaster, epoch: int) -> Drawable:
    """Return what the network forecasts of the validation part after an epoch."""
    windows = 3 if config.training.epoch_figures == "all" else 1  # all: as the article draws them
    part = beside_baselines.shown(data.val, windows)
    forecasts = forecast_part(network, data.scaler, part)
    title = _title(config, data, "validation", epoch)
    return Drawable(f"forecast_epoch_{epoch:03d}", _shown(data, part, forecasts, title, {}, {}))


def _show_beside(
    config: Resolved,
    data: Data,
    network: Forecaster,
    some: Part,
    title: str,
    widths: Widths | None,
    best: str,
    baseline: Baseline,
) -> Drawable:
    """Return what the kept weights forecast of a few windows, with intervals, beside the best baseline."""
    beside = {best: forecast_by(baseline, data, some)}
    forecasts = forecast_part(network, data.scaler, some)
    bands = {}
    if widths is not None:
        bounds = interval_bounds(config, network, widths, data, some)
        bands[config.forecast.interval] = reach_of(forecasts.closed_loop, widths, some, data, bounds)
    return Drawable("forecast", _shown(data, some, forecasts, title, beside, bands))


def _telling(data: Data, part: Part, own: Errors) -> tuple[Part, str]:
    """Return the windows that tell most of how a part is forecast and, of a panel, for a title which these are."""
    number = len(np.unique(part.series))
    if not data.is_panel or number == 1:
        return beside_baselines.shown(part, 3), ""
    chosen = telling_windows(own, part)
    if len(part.targets) > 1:  # of which a picture shows a single window
        del chosen["median"]
    some = beside_baselines.shown(part.only(np.array([*chosen.values()])), len(chosen))
    return some, f" · {' and '.join(chosen)} of {number} series"


def _shown(data: Data, part: Part, forecasts: Forecasts, title: str, beside: Named, bands: Named) -> ShownForecasts:
    return ShownForecasts(
        title=title,
        channels=[*data.channels],
        labels=[*data.division.labels(part)],
        targets=part.targets,
        start=part.start,
        context=_as_observed(data, part),
        truth=np.where(part.observed, part.truth, np.nan),
        one_step=forecasts.one_step,
        closed_loop=forecasts.closed_loop,
        beside=beside,
        bands=bands,
    )


def _as_observed(data: Data, part: Part) -> np.ndarray:
    """Return the contexts of a part, nan where values were filled in."""
    filled = data.division.source.filled()
    if filled is None:
        return part.context
    steps = part.start[:, None] + np.arange(part.context.shape[1])
    return np.where(filled[part.series[:, None], steps], np.nan, part.context)


def _title(config: Resolved, data: Data, part: str, epoch: int) -> str:
    """Return the title of a picture: what is forecast, and by which epoch of a network, or by what else."""
    trained = epoch and config.model.has_gradient
    forecaster = f"epoch {epoch}" if trained else config.model.forecasts_by(epoch)
    return f"{config.dataset.title} · {part} {data.division.part} · {forecaster}"


def _of_baselines(errors: dict[str, Errors]) -> Metrics:
    return {baseline_score(name): one.mean for name, one in errors.items()}


def _named(part: str, values: Metrics) -> Metrics:
    return {metric(part, name): value for name, value in values.items()}
