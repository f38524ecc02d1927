"""Whether logarithms are forecast better, by errors on validation."""

import numpy as np

from wavesweep.data.data import Data
from wavesweep.data.parts import mean_where
from wavesweep.models.autoregression import linear
from wavesweep.models.baseline import MOST_WINDOWS, Windows
from wavesweep.models.ridge import ridge_regression
from wavesweep.models.smoothing import smoothing
from wavesweep.models.start import combined, takes_smoothing


def error_of_start(data: Data) -> float:
    """Return the error on validation windows, in units of scores, of what networks would start from."""
    part, units = data.val.spread(MOST_WINDOWS), data.units_of_regressions
    train, val = data.scored(units), Windows.of(part, units)
    each = {"linear": linear(train, val, data.seasons), "ridge": ridge_regression(train, val, data.seasons)}
    if takes_smoothing(train):
        each["smoothing"] = smoothing(train, val, data.seasons)
    start = combined({name: one for name, one in each.items() if one}, val)
    scaled = start.forecast(val.context, val.truth.shape[1])
    ahead = units.of(part.series).unscale(scaled)
    with np.errstate(over="ignore", invalid="ignore"):
        squared = np.square((ahead - part.truth) / data.units.of(part.series).std)
        error = mean_where(squared[..., part.targets], part.observed[..., part.targets])
    return float(np.nan_to_num(error, nan=np.inf, posinf=np.inf))
