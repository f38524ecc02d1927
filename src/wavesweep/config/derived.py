"""Filling in the configuration: the values of each `null`, derived from the data's shape."""

import math
import statistics
from functools import lru_cache

from wavesweep.base.errors import Refused
from wavesweep.base.schema import known
from wavesweep.config.config import Config
from wavesweep.data.dataset import Dataset
from wavesweep.data.rows import Forecast, Rows, derive_split, rows_of, scored_of, stretches_of
from wavesweep.training.configured import Training, epochs_between_records

MAIN_STEPS = 300  # enough for a network to come near, on every data set tried; the refinement does the rest
HIGHWAY_NOISE = 0.3
MOST_ORIGINS, MOST_VALUES = 10_000, 10**8  # of forecasts, within a part; in all of their windows, 0.8 GB


def fill_in(config: Config) -> Config:
    """Return the configuration with each `null` replaced by the value that shapes give.

    Raises:
        Refused: Where the values can't go together with the shape of the data.
    """
    seed = config.seed if config.dataset.seed is None else config.dataset.seed
    dataset = config.dataset.model_copy(update={"seed": seed}).with_sizes()
    dataset = dataset.model_copy(update={"split": derive_split(dataset)})
    if dataset.splits_by_time:
        _check_size(dataset, config.forecast.horizon or 0)  # before its seasons are looked for
        lengths = [one.train for one in stretches_of(dataset)]
        _check_length(min(lengths))
        dataset = dataset if dataset.season is not None else _with_seasons(dataset)
        forecast = _forecast_by_time(config.forecast, dataset)
    else:
        forecast = _forecast_by_series(config.forecast, dataset)
        # What is forecast of series that end is held back, and trains nothing.
        steps = dataset.shape[1] - (0 if dataset.knows_continuation else known(forecast.horizon))
        _check_length(steps)
        lengths = [steps] * rows_of(dataset).train
    _check_size(dataset, known(forecast.horizon))
    ends = dataset.splits_by_time and not dataset.knows_continuation
    model = config.model.settled(leaves_room=ends and 3 * known(forecast.horizon) <= max(lengths))
    optimizer = config.optimizer.settled(highway=model.has_highway)
    config = config.model_copy(update={"model": model, "optimizer": optimizer})
    training = _fill_training(config, dataset, lengths, forecast)
    if dataset.splits_by_time:  # as shorter ones are passed over
        lengths = [lengths[number] for number in scored_of(dataset, forecast)]
    config.model.check(dataset.shape[0], min(lengths), known(training.window), known(forecast.context))
    return config.model_copy(update={"dataset": dataset, "training": training, "forecast": forecast})


def _fill_training(config: Config, dataset: Dataset, lengths: list[int], forecast: Forecast) -> Training:
    """Fill in what training takes, given the steps of each training series, and the forecasts."""
    training, model, steps = config.training, config.model, max(lengths)
    window = min(model.window, steps) if training.window is None else training.window or steps
    if not 2 <= window <= steps:
        raise Refused(f"training.window must be from 2 to the {steps} steps of a training series, got {window}")
    # Three tenths of the window: 60 of 200 steps let an LSTM find the phase of a wave. Forecasts allow it no more.
    most = min(3 * window // 10, known(forecast.context) // 2 if dataset.splits_by_time else window)
    most = window // 10 if model.has_highway else most  # which knows the phase
    washout = (most if model.sees_past else 0) if training.washout is None else training.washout
    if washout > window - 2:
        raise Refused(f"training.washout must be at most training.window - 2 = {window - 2}, got {washout}")
    refine_epochs = (0 if model.has_highway else 40) if training.refine_epochs is None else training.refine_epochs
    noise = HIGHWAY_NOISE if model.has_highway else 0.0
    epochs = training.epochs or _main_epochs(config, sum(math.ceil(length / window) for length in lengths))
    own = "series" if dataset.splits_by_time and len(lengths) > 1 else "global"
    standardize = own if training.standardize is None else training.standardize
    if standardize == "series" and not dataset.splits_by_time:
        raise Refused(
            "training.standardize must be global or false where series are split from each other, got series: those "
            "that are tested have no training part that tells their scale"
        )
    derived = {"epochs": epochs, "window": window, "washout": washout, "standardize": standardize}
    derived |= {"refine_epochs": refine_epochs if model.can_be_refined else 0}
    derived |= {key: noise for key in ("noise_start", "noise_end") if getattr(training, key) is None}
    training = training.model_copy(update=derived)
    if training.record_every is not None:
        return training
    span = known(forecast.context) + known(forecast.horizon)
    every = epochs_between_records(training, lengths, span) if dataset.splits_by_time else 1
    return training.model_copy(update={"record_every": every})


def _main_epochs(config: Config, windows: int) -> int:
    """Return how many epochs make 300 steps, of L-BFGS 300 iterations; what no gradient trains takes one."""
    if not config.model.has_gradient:
        return 1
    steps_an_epoch = config.optimizer.steps_an_epoch(windows, config.training.batch_size)
    return math.ceil(MAIN_STEPS / steps_an_epoch)


def _with_seasons(dataset: Dataset) -> Dataset:
    """Return a data set that is split by time with the seasons of its training part."""
    drawn = dataset if dataset.source is None else dataset.model_copy(update={"seed": 0})  # a file has no seed
    seasons = _find_seasons(drawn)  # type: ignore[arg-type]  # frozen, and so hashable
    return dataset.model_copy(update={"season": seasons})


@lru_cache(maxsize=16)
def _find_seasons(dataset: Dataset) -> tuple[int, ...]:
    from wavesweep.data.periods import find_seasons
    from wavesweep.data.splits import training_part

    train = training_part(dataset)
    return find_seasons(train, longest=max(map(len, train)) // 2)


def _forecast_by_time(forecast: Forecast, dataset: Dataset) -> Forecast:
    """Fill in forecasts from many origins.

    The horizon is a season, two of less than a dozen steps, or two dozen steps where there is no season; at most a
    third of each part, so that origins enough are left. The context is 200 steps, or the seasons together and 50 more.
    Both are bounded by the shortest series but those of less than half the usual length, which train and are not
    scored, as is the case with all that are too short for what was given. Forecasts begin at every step, as long as
    there are at most 10,000, of 10⁸ values.
    """
    seasons, horizon, context = known(dataset.season), forecast.horizon, forecast.context
    usual = statistics.median(dataset.lengths)
    parts = [rows for rows, steps in zip(stretches_of(dataset), dataset.lengths, strict=True) if 2 * steps >= usual]
    if horizon is None:
        derived = 24 if not seasons else seasons[0] if seasons[0] >= 12 else 2 * seasons[0]
        horizon = max(1, min(derived, min(_span(one) for one in parts) // 3))
    _check_fits("forecast.horizon", horizon, "steps of the validation part", [one.val for one in parts])
    if parts[0].test:
        _check_fits("forecast.horizon", horizon, "steps of the test part", [one.test for one in parts])
    if context is None:
        context = min(max(200, 50 + sum(seasons)), *(one.train for one in parts if _span(one) >= horizon))
    _check_fits("forecast.context", context, "observed steps", [one.train for one in parts if _span(one) >= horizon])
    origins = sum(max(one.val, one.test) for one in parts)
    most = max(1, min(MOST_ORIGINS, MOST_VALUES // ((context + horizon) * len(dataset.channels))))
    stride = forecast.stride or math.ceil(origins / most)
    return forecast.model_copy(update={"horizon": horizon, "context": context, "stride": stride})


def _span(rows: Rows) -> int:
    """Return the steps of the shorter part that is scored."""
    return min(rows.val, rows.test or rows.val)


def _check_fits(key: str, value: int, what: str, steps: list[int]) -> None:
    """Refuse what is too long for each series."""
    if value > max(steps, default=0):
        of_longest = " of the longest series" if len(steps) > 1 else ""
        problem = f"{key} must be at most the {max(steps, default=0)} {what}{of_longest}, got {value}"
        raise Refused(f"{problem}; give less")


def _forecast_by_series(forecast: Forecast, dataset: Dataset) -> Forecast:
    """Fill in a forecast of each series from its end: of as many steps again, or of its last quarter."""
    steps, goes_on = dataset.shape[1], dataset.knows_continuation
    horizon = forecast.horizon or (steps if goes_on else max(1, steps // 4))
    if not goes_on and horizon >= steps:
        raise Refused(f"forecast.horizon must be less than the {steps} steps of a series, got {horizon}")
    observed = steps if goes_on else steps - horizon
    context = forecast.context or observed
    if context > observed:
        raise Refused(f"forecast.context must be at most the {observed} observed steps, got {context}")
    stride = forecast.stride or horizon
    return forecast.model_copy(update={"horizon": horizon, "context": context, "stride": stride})


def _check_length(steps: int) -> None:
    if steps < 2:
        raise Refused("dataset.split must leave at least 2 time steps to train on, got 1; give a greater length")


def _check_size(dataset: Dataset, horizon: int) -> None:
    """Refuse more than 10⁹ values, 8 GB."""
    num_series = dataset.shape[0]
    steps = max(dataset.lengths) if dataset.splits_by_time else dataset.shape[1]
    values = num_series * (steps + horizon) * len(dataset.channels)
    if values > 10**9:
        raise Refused(
            f"dataset: {num_series} series of {steps} steps and {horizon} to forecast are "
            f"{values:.1e} values, and must be at most 1e9; lower num_series, length or forecast.horizon"
        )


def find_device(name: str) -> str:
    """Return the device to run on; `auto` is the first GPU where there is one.

    Raises:
        Refused: If the device is not there.
    """
    if name == "cpu":
        return name
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        if name == "mps" and not torch.backends.mps.is_available():
            raise RuntimeError("torch sees none here")
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise Refused(f"runtime.device={name} can't be used ({reason:.80}); choose auto or cpu") from None
    return name


def without_effect(config: Config) -> dict[str, str]:
    """Return the keys that have no effect in this combination, each with the reason.

    Args:
        config: With derived values filled in.

    Returns:
        Reasons by key; the key of a group stands for everything below it.
    """
    training, model = config.training, config.model
    reasons = model.without_effect()
    if not config.dataset.splits_by_time:
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
        reasons |= {f"training.{key}": "training.refine_epochs=0" for key in ("refine_windows", "refine_restart_every")}
    if config.optimizer.full_batch:
        reasons["training.batch_size"] = "optimizer=lbfgs takes all windows at once"
        reasons["training.clip_norm"] = "optimizer=lbfgs sets the length of its steps itself"
    elif config.dataset.shape[0] == 1 and training.window == stretches_of(config.dataset)[0].train:
        reasons["training.batch_size"] = "there is a single window, all of the series"
    return reasons
