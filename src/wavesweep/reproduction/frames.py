"""Tables of pandas that a run forecasts on, or that tell what is known in advance of its own series."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hydra_queue_sweeper.base.counting import counted
from hydra_queue_sweeper.base.errors import Refused
from wavesweep.config.config import Resolved
from wavesweep.data.dataset import Known, Observed
from wavesweep.files.dataset import Csv
from wavesweep.files.frames import read_frame
from wavesweep.files.series import rows_by_name
from wavesweep.files.spacing import times_of
from wavesweep.files.stamps import following
from wavesweep.reproduction.series_files import options_like, series_in

if TYPE_CHECKING:
    import pandas as pd


def series_of_frame(config: Resolved, frame: "pd.DataFrame") -> list[Observed]:
    """Return the series of a table that has the columns of the run's own file, as `read_series` does.

    Raises:
        Refused: If it can't be used.
    """
    own = config.dataset.options if isinstance(config.dataset, Csv) else None
    return series_in(read_frame(frame, options_like(own)), config.dataset.channels, own)


def with_future(config: Resolved, series: Sequence[Observed], frame: "pd.DataFrame") -> list[Observed]:
    """Return a run's own series with what a table tells in advance of the steps after their last value.

    Args:
        config: The run's complete configuration.
        series: Its series.
        frame: A row a step, with the columns that are known in advance, and that of the series' names where the run's
            file has one; a column of time stamps is checked.

    Raises:
        Refused: If a column is missing, or a row is of another step.
    """
    dataset = config.dataset
    if not isinstance(dataset, Csv) or not dataset.known_columns:
        raise Refused("future tells what is known in advance, and this run has no dataset.known; leave it out")
    table = read_frame(frame, options_like(dataset.options))
    needed = [*dataset.known_columns, *([dataset.series_column] if dataset.series_column else [])]
    for name in needed:
        if name not in table.columns:
            raise Refused(f"future must have the column {name}, got {', '.join(table.columns):.100}; add it")
    told = np.stack([table.values(name) for name in dataset.known_columns], axis=1)
    rows = {str(name): np.arange(len(told))[selected] for name, selected in rows_by_name(table, dataset.series_column)}
    stamps = times_of(table, dataset.time_column) if dataset.time_column in table.columns else None
    extended = []
    for one in series:
        own = rows.get(str(one.name), np.arange(0))
        if not len(own):
            raise Refused(f"future must tell of series {one.name}, got no row of it; add some")
        if stamps is not None and one.times is not None and not following(one.times, len(own)).equals(stamps[own]):
            first = following(one.times, 1)[0]
            rule = f"must tell of {counted(len(own), 'step')} from {first} on"
            raise Refused(f"future {rule}, as series {one.name} ends, got others; mend the time stamps")
        assert one.known
        values = np.concatenate([one.known.values[: len(one.values)], told[own]])
        extended.append(replace(one, known=Known(values, own)))
    return extended
