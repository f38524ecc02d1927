"""Preparing a run: the configuration filled in, and its data loaded."""

from collections.abc import Callable
from dataclasses import dataclass

from wavesweep.base.schema import known
from wavesweep.config.config import Config
from wavesweep.config.derived import fill_in, find_device
from wavesweep.data.splits import Split, load


@dataclass(frozen=True)
class Prepared:
    """A configuration that can be run, with its data.

    Attributes:
        config: With each `null` and `auto` replaced by what will be used.
        data: Its parts.
        composed: The configuration before that.
    """

    config: Config
    data: Split
    composed: Config


def prepare(composed: Config, check: Callable[[], object] = lambda: None) -> Prepared:
    """Fill in a configuration and load its data: everything that can refuse it, the cheapest first.

    Args:
        composed: As it was composed.
        check: Is called between the data and the device, which takes torch to find: what else may refuse the run.

    Raises:
        Refused: If values can't go together, the data can't be used, or the device is not there.
    """
    filled = fill_in(composed)
    data = _load(filled)
    window, context = known(filled.training.window), known(filled.forecast.context)
    model = filled.model.adapted(data.scaler.scale(data.train), window, context)
    check()
    runtime = filled.runtime.model_copy(update={"device": find_device(filled.runtime.device)})
    return Prepared(filled.model_copy(update={"model": model, "runtime": runtime}), data, composed)


def load_data(config: Config) -> Split:
    """Load the series of a configuration, and split them.

    Args:
        config: As composed, or with derived values filled in.

    Raises:
        Refused: If values can't go together, or the data can't be used.
    """
    return _load(fill_in(config))


def _load(config: Config) -> Split:
    training = config.training
    return load(config.dataset, config.forecast, washout=known(training.washout), standardize=training.standardize)
