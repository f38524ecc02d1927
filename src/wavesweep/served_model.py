"""The pyfunc model that a run logs: MLflow stores tensors and a configuration, the code is this package.

Input: one row a time step, one column a channel, the most recent row last. Output: `horizon` further rows.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wavesweep.base.schema import known
from wavesweep.config.config import parse
from wavesweep.models.forecasting import closed_loop
from wavesweep.models.weights import load_network
from wavesweep.runs.directory import RunDirectory

if TYPE_CHECKING:
    import pandas as pd


class ServedForecaster:
    """Forecasts one series in closed loop.

    Args:
        directory: Holds a run's config.yaml and model.safetensors.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self.config = parse(directory.read_config())
        self.network, self.scaler = load_network(self.config.model, self.config.runtime.dtype, directory.read_weights())

    def predict(self, model_input: "pd.DataFrame", params: dict[str, Any] | None = None) -> "pd.DataFrame":
        """Forecast how the rows of `model_input` go on.

        Args:
            model_input: (context, channel), in the units of the data; its first row is at time 0.
            params: `horizon`, the rows to forecast; by default as many as the run was scored on.

        Returns:
            (horizon, channel), in the units of the data.

        Raises:
            ValueError: If a value is missing, or there are fewer than the network needs.
        """
        import pandas as pd

        channels = list(self.config.dataset.channels)
        horizon = (params or {}).get("horizon", known(self.config.forecast.horizon))
        values = model_input[channels].to_numpy(dtype=np.float64)[np.newaxis]
        if not np.isfinite(values).all():
            raise ValueError("the model forecasts from finite values alone; fill or leave out those that are missing")
        forecast = closed_loop(self.network, self.scaler, values, np.zeros(1, dtype=np.int64), horizon)
        return pd.DataFrame(forecast[0], columns=channels)


def _load_pyfunc(path: str) -> ServedForecaster:
    """Load a stored model: the name and signature that MLflow looks for in a loader module."""
    return ServedForecaster(RunDirectory(Path(path)))
