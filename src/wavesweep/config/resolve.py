"""Resolving a configuration: each `null` gives way to what shapes, and then the data, tell.

Two steps, in this order: `outline` opens the data set, looks for seasons where forecasts depend on them, and refuses
what can't go together; `resolve` takes what was measured of the loaded data. Each part is resolved by one function.
"""

import math
from dataclasses import dataclass

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.config.config import Config, Resolved
from wavesweep.data.data import Data, load
from wavesweep.data.divide import divide
from wavesweep.data.division import Division
from wavesweep.data.forecast import ResolvedForecast
from wavesweep.models.configured import ResolvedModel, SettledModel
from wavesweep.models.facts import Facts
from wavesweep.training.configured import ResolvedTraining, Training, epochs_between_records
from wavesweep.training.optimizers import FirstOrder, ResolvedOptimizer

MAIN_STEPS = 300  # enough for a network to come near, on every data set tried; the refinement does the rest
REFINE_EPOCHS = 40
HIGHWAY_NOISE = 0.3


@dataclass(frozen=True)
class Outline:
    """What shapes tell of a run; all that is left are the season of series and what a model decides by values.

    Attributes:
        written: The configuration as it was written.
        data_seed: Of the data set.
        division: How its series are divided into parts.
        seasons: Given, or found where forecasts depend on them; None: found once the data are loaded.
        forecast: What is forecast of each window.
        model: Of which only the data's values tell more.
        optimizer: Of the main stage.
        training: Of both stages.
    """

    written: Config
    data_seed: int
    division: Division
    seasons: tuple[int, ...] | None
    forecast: ResolvedForecast
    model: SettledModel
    optimizer: ResolvedOptimizer
    training: ResolvedTraining

    def load(self) -> Data:
        """Load the data.

        Raises:
            Refused: If they can't be used.
        """
        dataset, training = self.division.source.dataset, self.training
        data = load(
            self.division,
            self.forecast,
            washout=training.washout,
            standardize=training.standardize,
            seasons=self.seasons,
        )
        if dataset.inputs:
            from wavesweep.models.fit_effects import fit_effects

            return data.with_effects(fit_effects(data, dataset.chosen_effects))
        if dataset.sees_logs:
            return data.in_logs(training.standardize)
        if dataset.chosen_transform == "auto" and (data.units.floor == 0).all():
            from wavesweep.models.fitting import error_of_start

            return min(data, data.in_logs(training.standardize), key=error_of_start)
        return data

    def facts(self, data: Data) -> Facts:
        """Return what is measured of the data, by which the model decides."""
        return Facts.of(data, self.training.window, self.training.washout)


def outline(config: Config) -> Outline:
    """Return what shapes tell of a configuration; no value is looked at but of series whose season is asked for.

    Raises:
        Refused: Where its values can't go together with each other or with the shape of the data.
    """
    if config.dataset.sees_logs and config.dataset.inputs:
        got = f"{config.dataset.inputs[0]} known in advance"
        raise Refused(
            f"dataset.transform=log1p must stand without known inputs, got {got}; give dataset.transform=none"
        )
    data_seed = config.seed if config.dataset.seed is None else config.dataset.seed
    division = divide(config.dataset.open(data_seed), config.dataset.split)
    if not division.forecasts_once:  # whose values are looked at for seasons, which give the horizon
        division.check_size(config.forecast.horizon or 0)
        _check_length(min(division.training_lengths(horizon=0)))
    seasons = config.dataset.season
    if seasons is None:
        seasons = division.find_seasons()
    forecast = division.resolve_forecast(config.forecast, seasons or ())
    division.check_size(forecast.horizon)
    lengths = division.training_lengths(forecast.horizon)
    _check_length(min(lengths))
    model = config.model.settle(leaves_room=_leaves_room(division, forecast, lengths))
    optimizer = config.optimizer.resolve(highway=model.has_highway)
    training = resolve_training(config.training, division, forecast, model, optimizer)
    steps = min(division.scored_lengths(forecast))
    model.check(division.source.shape[0], steps, training.window, forecast.context)
    return Outline(config, data_seed, division, seasons, forecast, model, optimizer, training)


def resolve(outline: Outline, model: ResolvedModel, data: Data, device: str) -> Resolved:
    """Return a configuration that leaves nothing open.

    Args:
        outline: What shapes tell.
        model: What the model has decided by the data.
        data: As they were loaded.
        device: To run on.
    """
    written, division = outline.written, outline.division
    known = {"seed": outline.data_seed, "split": division.split, "season": data.seasons}
    if data.effects:
        known["effects"] = data.effects.chosen
    if division.source.dataset.chosen_transform == "auto":
        known["transform"] = "log1p" if data.scaler.sees_logs else "none"
    parts = {
        "dataset": division.source.dataset.model_copy(update=known),
        "model": model,
        "optimizer": outline.optimizer,
        "training": outline.training,
        "forecast": outline.forecast,
        "runtime": written.runtime.model_copy(update={"device": device}),
    }
    return Resolved(**{**dict(written), **parts})


def resolve_training(
    training: Training,
    division: Division,
    forecast: ResolvedForecast,
    model: SettledModel,
    optimizer: ResolvedOptimizer,
) -> ResolvedTraining:
    """Return the settings of training that series, forecasts, model and optimizer give in the place of `null`.

    Raises:
        Refused: If a window, or what a loss leaves out of it, does not fit.
    """
    lengths = division.training_lengths(forecast.horizon)
    window = _resolve_window(training, model, max(lengths))
    washout = _resolve_washout(training, division, forecast, model, window)
    num_windows = sum(math.ceil(length / window) for length in lengths)
    epochs = training.epochs or _main_epochs(model, optimizer, num_windows, training.batch_size)
    usual = {"refine_epochs": REFINE_EPOCHS, "noise_start": 0.0, "noise_end": 0.0, "record_every": 1}
    if model.has_highway:
        usual |= {"refine_epochs": 0, "noise_start": HIGHWAY_NOISE, "noise_end": HIGHWAY_NOISE}
    if not division.forecasts_once:
        usual["record_every"] = epochs_between_records(window, epochs, lengths, forecast.context + forecast.horizon)
    given = {key: value for key, value in training if value is not None}
    decided = {
        "epochs": epochs,
        "refiner": training.refiner.resolve(highway=model.has_highway),
        "standardize": division.resolve_standardize(training.standardize),
        "window": window,
        "washout": washout,
    }
    if not (model.feeds_back and model.has_gradient):
        decided["refine_epochs"] = 0
    return ResolvedTraining(**{**usual, **given, **decided})


def _resolve_window(training: Training, model: SettledModel, steps: int) -> int:
    """Return the steps of a training window; 0 stands for all of a series."""
    window = min(model.window, steps) if training.window is None else training.window or steps
    if not 2 <= window <= steps:
        raise Refused(f"training.window must be from 2 to the {steps} steps of a training series, got {window}")
    return window


def _resolve_washout(
    training: Training, division: Division, forecast: ResolvedForecast, model: SettledModel, window: int
) -> int:
    """Return the first values of a window that losses leave out; a highway knows the phase of a wave early."""
    washout = training.washout
    if washout is None:
        washout = division.longest_washout(window, forecast.context)
        if model.has_highway:
            washout = window // 10
        if not model.sees_past:
            washout = 0
    if washout > window - 2:
        raise Refused(f"training.washout must be at most training.window - 2 = {window - 2}, got {washout}")
    return washout


def _main_epochs(model: SettledModel, optimizer: ResolvedOptimizer, num_windows: int, batch_size: int) -> int:
    """Return how many epochs make 300 steps, of L-BFGS 300 iterations; what no gradient trains takes one."""
    if not model.has_gradient:
        return 1
    return math.ceil(MAIN_STEPS / optimizer.steps_an_epoch(num_windows, batch_size))


def _leaves_room(division: Division, forecast: ResolvedForecast, lengths: list[int]) -> bool:
    """Say whether series end, and train on enough steps for a highway's lags (see `Model.settle`)."""
    ends = not division.forecasts_once and not division.source.knows_continuation
    return ends and 3 * forecast.horizon <= max(lengths)


def _check_length(steps: int) -> None:
    if steps < 2:
        raise Refused("dataset.split must leave at least 2 time steps to train on, got 1; give a greater length")


def without_effect(config: Resolved, division: Division) -> dict[str, str]:
    """Return the keys that have no effect in this combination, each with the reason.

    Args:
        config: What is run.
        division: Of its series.

    Returns:
        Reasons by key; the key of a group stands for everything below it.
    """
    training, model = config.training, config.model
    reasons = model.without_effect()
    if "known" in type(model).model_fields and not division.source.dataset.inputs:
        reasons.setdefault("model.known", "nothing is known in advance")
    if division.forecasts_once:
        reasons["forecast.stride"] = "each series is forecast once, from its end"
    if not model.has_gradient:
        reasons["optimizer"] = f"model={model.kind} is fitted by least squares"
        reasons |= {f"training.{key}": reasons["optimizer"] for key in Training.model_fields}
        for key in ("standardize", "washout", "window"):  # the window gives the washout, which is not scored
            del reasons[f"training.{key}"]
        reasons["runtime.dtype"] = f"model={model.kind} works in float64"
        return reasons
    if not model.sees_past:
        never = f"model={model.kind} never sees a past value"
        reasons |= {f"training.{key}": never for key in ("noise_start", "noise_end", "refine_epochs")}
    if not training.refine_epochs:
        of_refinement = ("refiner", "refine_windows", "refine_restart_every")
        reasons |= {f"training.{key}": "training.refine_epochs=0" for key in of_refinement}
    elif isinstance(training.refiner, FirstOrder):
        reasons["training.refiner.schedule"] = "the refinement keeps to one rate"
    if config.optimizer.full_batch:
        reasons["training.batch_size"] = f"optimizer={config.optimizer.kind} takes all windows at once"
        reasons["training.clip_norm"] = f"optimizer={config.optimizer.kind} sets the length of its steps itself"
    elif division.training_lengths(config.forecast.horizon) == [training.window]:
        reasons["training.batch_size"] = "there is a single window, all of the series"
    return reasons
