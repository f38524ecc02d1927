"""Preparing a run: the configuration filled in, and its data loaded."""

from collections.abc import Callable
from dataclasses import dataclass

from wavesweep.base.schema import known
from wavesweep.baselines.baseline import Windows
from wavesweep.baselines.intervals import fewest_windows
from wavesweep.config.config import Config
from wavesweep.config.derived import fill_in, find_device
from wavesweep.data.periods import find_seasons
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
    dataset = filled.dataset
    if dataset.season is None:
        seasons = find_seasons(data.scaled(data.units), longest=data.val.context.shape[1])
        dataset = dataset.model_copy(update={"season": seasons})
    train, val = data.scored(data.scaler), Windows.of(data.val, data.scaler)
    window, washout = known(filled.training.window), known(filled.training.washout)
    model = filled.model.adapted(train, val, known(dataset.season), window, washout)
    check()
    runtime = filled.runtime.model_copy(update={"device": find_device(filled.runtime.device)})
    return Prepared(filled.model_copy(update={"dataset": dataset, "model": model, "runtime": runtime}), data, composed)


def shape_of(prepared: Prepared) -> str:
    """Return in a line what follows from the data: seasons, horizon, context and origins, and how to set others."""
    config, data = prepared.config, prepared.data
    seasons, forecast, given = known(config.dataset.season), config.forecast, prepared.composed.forecast.horizon
    season = f"season{'s' * (len(seasons) > 1)} {' and '.join(map(str, seasons))}" if seasons else "no season"
    found = "" if prepared.composed.dataset.season is not None else " found"
    origins = f"{len(data.val.start):,} validation" + (f" and {len(data.test.start):,} test" if data.test else "")
    own = "" if given else "; forecast.horizon=N sets your own"
    if config.dataset.splits_by_time and (short := {*range(len(data.train))} - {*data.val.series.tolist()}):
        named = ", ".join(str(config.dataset.names[number]) for number in sorted(short)[:3])
        own += f"; {len(short)} of {len(data.train)} series, too short, train and are not scored: {named:.60}"
    if len(data.val.start) < (fewest := fewest_windows(forecast.coverage)):
        own += f"; no {forecast.interval}s, which take {fewest} validation origins"
    return f"{season}{found}; horizon {forecast.horizon}, context {forecast.context}, from {origins} origins{own}"


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
    assert training.standardize is not None
    return load(config.dataset, config.forecast, washout=known(training.washout), standardize=training.standardize)
