"""Configurations composed in a moment, and the parts of a run that tests take into their hands."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from tests.support.commands import SMALL
from wavesweep.base.schema import known
from wavesweep.base.terminal import Listener
from wavesweep.charts import pictures as charts
from wavesweep.config.composing import compose
from wavesweep.config.config import Config, dump, parse
from wavesweep.config.groups import groups
from wavesweep.data.dataset import Dataset
from wavesweep.data.scaling import Scaler
from wavesweep.models.weights import load_network
from wavesweep.networks.forecaster import Forecaster
from wavesweep.runs import checkpoint, pictures
from wavesweep.runs.checkpoint import Checkpoint
from wavesweep.runs.directory import RunDirectory
from wavesweep.runs.experiment import Result, make_trainer, run
from wavesweep.runs.preparation import Prepared, load_data, prepare
from wavesweep.sweeps.store import SweepDirectory
from wavesweep.training.trainer import GradientDescent, Record, Trainer


@cache
def composed(*overrides: str) -> Config:
    """Compose as `compose` does, in a hundredth of the time where the same options were chosen before."""
    read = [OverridesParser.create().parse_override(text) for text in overrides]
    chosen = [text for text, override in zip(overrides, read, strict=True) if override.key_or_group in groups()]
    values = {override.key_or_group: override.value() for override in read if override.key_or_group not in groups()}
    return parse(with_values(dump(_chosen(*chosen)), values))


@cache
def _chosen(*options: str) -> Config:
    return compose("runtime.device=cpu", *options)


def with_values(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of nested values with others, or further ones, at dotted keys."""
    changed = deepcopy(dict(values))
    for key, value in changes.items():
        *around, name = key.split(".")
        place = changed
        for group in around:
            place = place[group]
        place[name] = value
    return changed


@cache
def prepared(*overrides: str) -> Prepared:
    """Prepare what is composed of the overrides; the data is shared, so nobody may change it."""
    return prepare(composed(*overrides))


def config(*overrides: str) -> Config:
    """Compose a configuration and fill it in."""
    return prepared(*overrides).config


def small(*overrides: str) -> Config:
    """Compose the small sine, with a network of five units unless another model is chosen."""
    sizes = () if any(override.startswith("model=") for override in overrides) else ("model.hidden_sizes=[5]",)
    return config(*SMALL, *sizes, *overrides)


def trainer(filled: Config) -> Trainer:
    """Return what trains a configuration's network on its data."""
    return make_trainer(filled, load_data(filled))


def gradient_descent(filled: Config) -> GradientDescent:
    """Return the same where it is known to go by gradients."""
    subject = trainer(filled)
    assert isinstance(subject, GradientDescent)
    return subject


def train(subject: Trainer) -> list[Record]:
    """Train to the end; return all records."""
    return list(subject.records(lambda _: False))


def losses(records: list[Record]) -> list[float]:
    """Return the losses of records."""
    return [record.loss for record in records]


def go(
    filled: Config,
    directory: RunDirectory,
    listen: Listener = lambda *_: None,
    begin: Checkpoint | None = None,
) -> Result:
    """Run a filled configuration in a directory, which is made where it isn't there."""
    directory.path.mkdir(exist_ok=True)
    return run(filled, load_data(filled), directory, listen, begin)


def kept_network(filled: Config, directory: RunDirectory) -> tuple[Forecaster, Scaler]:
    """Load the network that a run left, with its scaling."""
    return load_network(filled.model, known(filled.forecast.horizon), filled.runtime.dtype, directory.read_weights())


def leave_undrawn(patch: pytest.MonkeyPatch) -> None:
    """Let runs and sweeps leave empty files for pictures: drawing takes longer than training where tests train."""

    def touch(path: Path, *_: object, **__: object) -> None:
        path.touch()

    def draw(sweep: SweepDirectory, _: object) -> None:
        sweep.plots.mkdir(exist_ok=True)
        (sweep.plots / "history.png").touch()

    patch.setattr(charts, "draw", draw)
    patch.setattr(pictures, "forecast", touch)
    patch.setattr(pictures, "drift", touch)
    patch.setattr(pictures, "learning_curve", lambda directory, *_: directory.figure("learning_curve").touch())


def save_each_epoch(patch: pytest.MonkeyPatch) -> None:
    """Let a run save a checkpoint at the end of each epoch, however short."""
    patch.setattr(checkpoint, "SPACING", 0.0)


class Given(Dataset):
    """Series that are given, as those of a file are: nobody knows how they go on.

    Attributes:
        values: Of each series, (time, channel); lengths may differ.
        panel: Whether the parts are stretches of time within each series, also where there are several.
    """

    kind: Literal["given"] = "given"
    values: tuple[tuple[tuple[float, ...], ...], ...]
    panel: bool = False

    knows_continuation: ClassVar[bool] = False

    @property
    def channels(self) -> tuple[str, ...]:
        """See `Dataset.channels`."""
        return tuple(f"channel {index}" for index in range(len(self.values[0][0])))

    @property
    def shape(self) -> tuple[int, int]:
        """See `Dataset.shape`."""
        return len(self.values), min(self.lengths)

    @property
    def splits_by_time(self) -> bool:
        """See `Dataset.splits_by_time`."""
        return self.panel or len(self.values) == 1

    @property
    def lengths(self) -> tuple[int, ...]:
        """See `Dataset.lengths`."""
        return tuple(map(len, self.values))

    @property
    def names(self) -> tuple[str, ...]:
        """See `Dataset.names`."""
        return tuple(f"shop {number}" for number in range(len(self.values)))

    def load(self, continuation: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Dataset.load`."""
        array = np.full((len(self.values), max(self.lengths), len(self.channels)), np.nan)
        for row, one in zip(array, self.values, strict=True):
            row[: len(one)] = one
        return array, array[:, :0]


def given(
    series: Iterable[np.ndarray],
    *overrides: str,
    split: tuple[int, int, int] | tuple[float, float, float] | None = None,
    panel: bool = False,
) -> Config:
    """Return a configuration, not yet filled in, whose series, (time, channel) each, are given."""
    values = tuple(tuple(tuple(map(float, step)) for step in one) for one in series)
    dataset = Given(values=values, panel=panel, seed=None, split=split, season=None)
    return composed(*overrides).model_copy(update={"dataset": dataset})
