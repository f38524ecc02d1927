"""The pyfunc model that a run logs: MLflow stores tensors and a configuration, the code is this package.

Input: one row a time step, one column a channel, the most recent row last; of several series, a column tells which a
row belongs to: `series`, or what the run's own file calls it. Where something is known in advance, its columns too, and
further rows without values that tell it of the steps to come. Output: `horizon` further rows of each.
"""

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.config.config import parse_resolved
from wavesweep.data.dataset import Observed
from wavesweep.evaluation.forecasting import as_numbers
from wavesweep.reproduction.forecasting import TrainedModel
from wavesweep.reproduction.frames import series_of_frame
from wavesweep.reproduction.tables import as_table
from wavesweep.workspace.directory import RunDirectory

if TYPE_CHECKING:
    import pandas as pd


class ServedForecaster:
    """Forecasts series in closed loop: the numbers of `wavesweep forecast --data`.

    Args:
        directory: Holds a run's config.yaml and model.safetensors.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self.model = TrainedModel.load(parse_resolved(directory.read_config()), directory.read_weights())
        self.lock = Lock()  # a server asks from several threads at once, and networks keep what they computed last

    def predict(self, model_input: "pd.DataFrame", params: dict[str, Any] | None = None) -> "pd.DataFrame":
        """Forecast how the rows of `model_input` go on.

        Args:
            model_input: A row a time step, a column a channel, in the units of the data; the first row of a series is
                at time 0. The column of series, where there is one, holds the name of each row's, or its number.
            params: `horizon`, the rows to forecast; by default as many as the run was scored on.

        Returns:
            `horizon` rows of each series, with the columns of the input, each channel followed by the bounds of its
            interval, if the run has intervals, and by the quantiles that it was asked for: None beyond the horizon
            that it was scored on. Series in the order of their first rows.

        Raises:
            ValueError: If a value is missing, or a series has fewer rows than the network needs.
        """
        channels = list(self.model.config.dataset.channels)
        label = self.model.config.dataset.series_label
        named = label in model_input and label not in channels
        if named and (model_input.empty or bool(model_input[label].isna().any())):
            raise Refused(f"{label} must name the series of each row; fill in those that are missing")
        if self.model.config.dataset.inputs:
            series = series_of_frame(self.model.config, model_input)
        else:
            groups: Any = model_input.groupby(label, sort=False) if named else [(0, model_input)]
            series = [Observed(name, as_numbers(rows[channels])) for name, rows in groups]
        with self.lock:
            forecasts = self.model.forecast(series, (params or {}).get("horizon"))
        reaches = self.model.reach(series, forecasts)
        quantiles = self.model.quantiles(series, forecasts)
        table = as_table(channels, forecasts, reaches, quantiles, self.model.config.forecast.quantiles)
        beside = table.columns.difference(channels)
        if table[beside].isna().to_numpy().any():  # JSON knows no nan
            table[beside] = table[beside].astype(object).where(table[beside].notna(), None)
        if named:
            table.insert(0, label, [one.name for one in series for _ in forecasts[0]])
        return table


def _load_pyfunc(path: str) -> ServedForecaster:
    """Load a stored model: the name and signature that MLflow looks for in a loader module."""
    return ServedForecaster(RunDirectory(Path(path)))
