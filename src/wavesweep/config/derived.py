"""Filling in the configuration: the values of each `null`, derived from the data's shape."""

import math

from wavesweep.base.errors import Refused
from wavesweep.base.schema import known
from wavesweep.config.config import Config
from wavesweep.data.dataset import Dataset
from wavesweep.data.rows import Forecast, Rows, derive_split, rows_of, splits_by_time
from wavesweep.training.configured import Training

MAIN_STEPS = 300  # enough for a network to come near, on every data set tried; the refinement does the rest


def fill_in(config: Config) -> Config:
    """Return the configuration with each `null` replaced by the value that shapes give.

    Raises:
        Refused: Where the values can't go together with the shape of the data.
    """
    seed = config.seed if config.dataset.seed is None else config.dataset.seed
    dataset = config.dataset.model_copy(update={"seed": seed}).with_sizes()
    dataset = dataset.model_copy(update={"split": derive_split(dataset)})
    rows = rows_of(dataset)
    num_series, steps = (1, rows.train) if splits_by_time(dataset) else (rows.train, dataset.shape[1])
    forecast = _fill_forecast(config.forecast, dataset, rows, steps)
    if not splits_by_time(dataset) and not dataset.knows_continuation:
        steps -= known(forecast.horizon)  # which are forecast, and train nothing
    model = config.model.with_sizes(min(steps, known(forecast.context)))
    training = _fill_training(config, num_series, steps)
    _check_size(dataset, known(forecast.horizon))
    model.check(dataset.shape[0], steps, known(training.window), known(forecast.context))
    return config.model_copy(update={"dataset": dataset, "model": model, "training": training, "forecast": forecast})


def _fill_training(config: Config, num_series: int, steps: int) -> Training:
    training, model = config.training, config.model
    window = min(200, steps) if training.window is None else training.window or steps
    if steps < 2:
        raise Refused("dataset.split must leave at least 2 time steps to train on, got 1; give a greater length")
    if not 2 <= window <= steps:
        raise Refused(f"training.window must be from 2 to the {steps} steps of a training series, got {window}")
    # Three tenths of the window: 60 of 200 steps let an LSTM find the phase of a wave.
    washout = (3 * window // 10 if model.sees_past else 0) if training.washout is None else training.washout
    if washout > window - 2:
        raise Refused(f"training.washout must be at most training.window - 2 = {window - 2}, got {washout}")
    refine_epochs = training.refine_epochs if model.can_be_refined else 0
    epochs = training.epochs or _main_epochs(config, num_series * math.ceil(steps / window))
    derived = {"epochs": epochs, "window": window, "washout": washout, "refine_epochs": refine_epochs}
    return training.model_copy(update=derived)


def _main_epochs(config: Config, windows: int) -> int:
    """Return how many epochs make 300 steps, of L-BFGS 300 iterations; what no gradient trains takes one."""
    if not config.model.has_gradient:
        return 1
    steps_an_epoch = config.optimizer.steps_an_epoch(windows, config.training.batch_size)
    return math.ceil(MAIN_STEPS / steps_an_epoch)


def _fill_forecast(forecast: Forecast, dataset: Dataset, rows: Rows, steps: int) -> Forecast:
    by_time, goes_on = splits_by_time(dataset), dataset.knows_continuation
    derived = min(rows.val, rows.test or rows.val) if by_time else steps if goes_on else max(1, steps // 4)
    horizon = forecast.horizon or derived
    _check_horizon(horizon, dataset, rows, steps)
    observed = steps if by_time or goes_on else steps - horizon
    context = forecast.context or observed
    if context > observed:
        raise Refused(f"forecast.context must be at most the {observed} observed steps, got {context}")
    return Forecast(horizon=horizon, context=context, stride=forecast.stride or horizon)


def _check_horizon(horizon: int, dataset: Dataset, rows: Rows, steps: int) -> None:
    """Refuse a horizon that reaches beyond what is known."""
    goes_on = dataset.knows_continuation
    if not splits_by_time(dataset):
        if not goes_on and horizon >= steps:
            raise Refused(f"forecast.horizon must be less than the {steps} steps of a series, got {horizon}")
        return
    bounds = {"validation": rows.val} if rows.test or not goes_on else {}
    bounds |= {"test": rows.test} if rows.test and not goes_on else {}
    for part, bound in bounds.items():
        if horizon > bound:
            raise Refused(f"forecast.horizon must be at most the {bound} steps of the {part} part, got {horizon}")


def _check_size(dataset: Dataset, horizon: int) -> None:
    """Refuse more than 10⁹ values, 8 GB."""
    num_series, steps = dataset.shape
    values = num_series * (steps + horizon)
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
    reasons: dict[str, str] = {}
    training, model = config.training, config.model
    if not splits_by_time(config.dataset):
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
    elif splits_by_time(config.dataset) and training.window == rows_of(config.dataset).train:
        reasons["training.batch_size"] = "there is a single window, all of the series"
    return reasons
