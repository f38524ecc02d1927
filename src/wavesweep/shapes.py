"""Fills in what the configuration leaves open, from the shape of the data. Imports torch last, if at all."""

import math
from dataclasses import dataclass

from wavesweep.config import Config, Forecast, Training
from wavesweep.datasets import Counts, Fractions, Generated
from wavesweep.optimizers import LBFGS
from wavesweep.schema import Refused, known, shown

MAIN_STEPS = 300  # enough for a network to come near, on every data set tried; the refinement does the rest


@dataclass(frozen=True)
class Rows:
    """How many rows train, validate and test; a row is a series, or a time step of a single series."""

    train: int
    val: int
    test: int


def splits_by_time(dataset: Generated) -> bool:
    """Say whether the parts are stretches of time; several series are split by series."""
    return dataset.total_series == 1


def fill_in(config: Config) -> Config:
    """Return the configuration with each `null` replaced by what will be used.

    Raises:
        Refused: Where the values can't go together with the shape of the data.
    """
    seed = config.seed if config.dataset.seed is None else config.dataset.seed
    dataset = config.dataset.model_copy(update={"seed": seed}).with_sizes()
    dataset = dataset.model_copy(update={"split": _derive_split(dataset)})
    rows = rows_of(dataset)
    num_series, steps = (1, rows.train) if splits_by_time(dataset) else (rows.train, known(dataset.length))
    forecast = _fill_forecast(config.forecast, dataset, rows, steps)
    model = config.model.with_sizes(min(steps, known(forecast.context)))
    training = _fill_training(config, num_series, steps)
    filled = config.model_copy(update={"dataset": dataset, "model": model, "training": training, "forecast": forecast})
    _check_size(filled)
    _check_model(filled, steps)
    return filled


def rows_of(dataset: Generated) -> Rows:
    """Return the parts of a data set whose split is filled in; further validation series are counted in."""
    train, val, test = known(dataset.split)
    return Rows(int(train), int(val) + dataset.validation_series, int(test))


def _derive_split(dataset: Generated) -> tuple[int, int, int]:
    """Return the row counts, derived from the shape or as given, and check that they can be used."""
    by_time = splits_by_time(dataset)
    total = known(dataset.length if by_time else dataset.num_series)
    unit = "time steps" if by_time else "series"
    if dataset.split is None:
        rest = max(1, round((0.15 if by_time else 0.1) * total))
        parts = (total - 2 * rest, rest, rest)
        if parts[0] < 1:
            raise Refused(
                f"dataset.split must leave {unit} to train, to validate and to test on, got {total} in all; "
                "give more, or three row counts, the last of which may be 0"
            )
    else:
        parts = _given_rows(dataset.split, total, unit)
    train, val, test = parts
    if train < 1 or val + dataset.validation_series < 1:
        raise Refused(f"dataset.split must leave {unit} to train and to validate on, got {shown(parts)}")
    return train, val, test


def _given_rows(split: Counts | Fractions, total: int, unit: str) -> tuple[int, int, int]:
    if isinstance(split[0], float):
        first, second = round(split[0] * total), round((split[0] + split[1]) * total)
        parts = (first, second - first, total - second)
        if any(part == 0 < fraction for part, fraction in zip(parts, split, strict=True)):
            raise Refused(
                f"dataset.split must leave no part of the {total} {unit} empty, got {shown(split)}, which gives "
                f"{shown(parts)}; give more {unit}, or three row counts"
            )
        return parts
    if sum(split) != total:
        raise Refused(
            f"dataset.split must add up to the {total} {unit} there are, got {shown(split)}; give other row counts, "
            "fractions, or null"
        )
    return int(split[0]), int(split[1]), int(split[2])


def _fill_training(config: Config, num_series: int, steps: int) -> Training:
    training, kind = config.training, config.model.kind
    window = min(200, steps) if training.window is None else training.window or steps
    if steps < 2:
        raise Refused("dataset.split must leave at least 2 time steps to train on, got 1; give a greater length")
    if not 2 <= window <= steps:
        raise Refused(f"training.window must be from 2 to the {steps} steps of a training series, got {window}")
    # Three tenths of the window: 60 of 200 steps let an LSTM find the phase of a wave.
    washout = 3 * window // 10 if training.washout is None else training.washout
    washout = 0 if kind == "pointwise" and training.washout is None else washout
    if washout > window - 2:
        raise Refused(f"training.washout must be at most training.window - 2 = {window - 2}, got {washout}")
    # Only what feeds its predictions back, and is trained by its gradient, has a closed loop to refine.
    refine_epochs = training.refine_epochs if kind == "lstm" else 0
    epochs = training.epochs or _main_epochs(config, num_series * math.ceil(steps / window))
    derived = {"epochs": epochs, "window": window, "washout": washout, "refine_epochs": refine_epochs}
    return training.model_copy(update=derived)


def _main_epochs(config: Config, windows: int) -> int:
    """Return how many epochs make 300 steps, of L-BFGS 300 iterations; a linear model takes one."""
    if config.model.kind == "linear":
        return 1
    if isinstance(config.optimizer, LBFGS):
        return math.ceil(MAIN_STEPS / config.optimizer.max_iter)
    return math.ceil(MAIN_STEPS / math.ceil(windows / config.training.batch_size))


def _fill_forecast(forecast: Forecast, dataset: Generated, rows: Rows, steps: int) -> Forecast:
    by_time = splits_by_time(dataset)
    context = forecast.context or steps
    horizon = forecast.horizon or (min(rows.val, rows.test or rows.val) if by_time else steps)
    if by_time and rows.test and horizon > rows.val:
        raise Refused(f"forecast.horizon must be at most the {rows.val} steps of the validation part, got {horizon}")
    if context > steps:
        raise Refused(f"forecast.context must be at most the {steps} observed steps, got {context}")
    return Forecast(horizon=horizon, context=context, stride=forecast.stride or horizon)


def _check_size(config: Config) -> None:
    """Refuse what no memory holds: more than 10⁹ values, 8 GB."""
    dataset, horizon = config.dataset, known(config.forecast.horizon)
    values = dataset.total_series * (known(dataset.length) + horizon)
    if values > 10**9:
        raise Refused(
            f"dataset: {dataset.total_series} series of {dataset.length} steps and {horizon} to forecast are "
            f"{values:.1e} values, and must be at most 1e9; lower num_series, length or forecast.horizon"
        )


def _check_model(config: Config, steps: int) -> None:
    dataset, model = config.dataset, config.model
    if model.kind == "pointwise" and dataset.total_series > 1:
        raise Refused(
            f"model=pointwise sees the time alone, so it takes one series, got {dataset.total_series}; "
            "choose another model, or set dataset.num_series=1 and dataset.validation_series=0"
        )
    if model.kind == "lstm" and model.normalization == "batch" and known(config.training.window) < 3:
        raise Refused("training.window must be at least 3 with model.normalization=batch, got 2")
    if model.kind == "lstm" and model.difference:
        if known(config.training.window) < 3:
            raise Refused("training.window must be at least 3 with model.difference=true, got 2")
        if known(config.forecast.context) < 2:
            raise Refused("forecast.context must be at least 2 with model.difference=true, got 1")
    if model.kind == "linear":
        order, context = known(model.order), known(config.forecast.context)
        if order >= steps:
            raise Refused(f"model.order must be less than the {steps} training steps, got {order}")
        if order > context:
            raise Refused(f"model.order must be at most forecast.context = {context}, got {order}")


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
    reasons: dict[str, str] = {}
    training, only_one = config.training, config.dataset.total_series == 1
    if not splits_by_time(config.dataset):
        reasons["forecast.stride"] = "each series is forecast once, from its end"
    if config.model.kind == "linear":
        reasons["optimizer"] = "model=linear is fitted by least squares"
        reasons |= {f"training.{key}": reasons["optimizer"] for key in Training.model_fields}
        del reasons["training.standardize"], reasons["training.washout"]
        reasons["runtime.dtype"] = "model=linear works in float64"
        return reasons
    if config.model.kind == "pointwise":
        never = "model=pointwise never sees a past value"
        reasons |= {f"training.{key}": never for key in ("noise_start", "noise_end", "refine_epochs")}
    if not training.refine_epochs:
        reasons |= {f"training.{key}": "training.refine_epochs=0" for key in ("refine_windows", "refine_restart_every")}
    if config.optimizer.full_batch:
        reasons["training.batch_size"] = "optimizer=lbfgs takes all windows at once"
        reasons["training.clip_norm"] = "optimizer=lbfgs sets the length of its steps itself"
    elif only_one and training.window == rows_of(config.dataset).train:
        reasons["training.batch_size"] = "there is a single window, all of the series"
    return reasons
