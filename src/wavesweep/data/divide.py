"""Which division a data set has."""

from wavesweep.data.by_series import BySeries
from wavesweep.data.by_time import ByTime
from wavesweep.data.dataset import Source, SplitRule
from wavesweep.data.division import Division


def divide(source: Source, split: SplitRule) -> Division:
    """Divide series into parts, by time or by series.

    Args:
        source: Where they come from.
        split: As configured; None: derived from their shape.

    Raises:
        Refused: If a part that is needed would be empty, or the counts don't add up.
    """
    division = ByTime if source.is_divided_by_time else BySeries
    return division.of(source, split)
