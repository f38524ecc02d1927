"""Baselines all at once, as tests want them."""

from collections.abc import Sequence

import numpy as np

from wavesweep.data.data import Data
from wavesweep.data.parts import Part
from wavesweep.evaluation.beside_baselines import Baselines, error_by, fit_each_baseline
from wavesweep.evaluation.scores import Errors
from wavesweep.models.baseline import Baseline, Windows
from wavesweep.models.fitting import fit_each


def fit(train: Sequence[np.ndarray], val: Windows, seasons: Sequence[int]) -> dict[str, Baseline]:
    """Fit all to series; see `fit_each`."""
    return dict(fit_each(train, val, seasons))


def fit_baselines(data: Data) -> dict[str, Baseline]:
    """Fit all to the training part."""
    return dict(fit_each_baseline(data))


def errors_by(baselines: Baselines, data: Data, part: Part) -> dict[str, Errors]:
    """Return the errors of each on a part."""
    return {name: error_by(one, data, part) for name, one in baselines.items()}
