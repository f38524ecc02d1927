"""Configurations composed in a moment, and the parts of a run that tests take into their hands."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from hydra_queue_sweeper.charts import pictures as charts
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.commands import SMALL
from tests.support.following import Listen, Listener
from wavesweep.config.composing import compose
from wavesweep.config.config import Config, Resolved, dump, parse
from wavesweep.config.groups import groups
from wavesweep.data.data import Data
from wavesweep.data.dataset import Source
from wavesweep.data.scaling import Scaler
from wavesweep.experiment.checkpoint import Checkpoint
from wavesweep.experiment.events import Finished
from wavesweep.experiment.experiment import experiment, make_trainer
from wavesweep.experiment.preparation import Prepared, load_data, prepare
from wavesweep.experiment.result import Result
from wavesweep.files.dataset import Csv
from wavesweep.models.baseline import Windows
from wavesweep.models.configured import ResolvedModel
from wavesweep.models.facts import Facts
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.weights import load_network
from wavesweep.runs import checkpoints
from wavesweep.runs.checkpoints import Checkpoints
from wavesweep.runs.drawer_handle import Drawer
from wavesweep.runs.pictures import Pictures
from wavesweep.runs.records import Records
from wavesweep.training.trainer import Epoch, GradientDescent, Trainer
from wavesweep.workspace.directory import RunDirectory


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


def config(*overrides: str) -> Resolved:
    """Compose a configuration and resolve it."""
    return prepared(*overrides).config


def small(*overrides: str) -> Resolved:
    """Compose the small sine, with a network of five units unless another model is chosen."""
    sizes = () if any(override.startswith("model=") for override in overrides) else ("model.hidden_sizes=[5]",)
    return config(*SMALL, *sizes, *overrides)


def resolved_model(values: np.ndarray, horizon: int, *overrides: str) -> ResolvedModel:
    """Resolve a model by data, (series, time, channel), where nothing says that there is room for a highway."""
    val = Windows(values, values[:, :horizon])
    settled = composed(*overrides).model.settle(leaves_room=False)
    return settled.resolve(Facts([*values], val, (), values.shape[1], 0))


def trainer(resolved: Resolved) -> Trainer:
    """Return what trains a configuration's network on its data."""
    return make_trainer(resolved, load_data(resolved))


def gradient_descent(resolved: Resolved) -> GradientDescent:
    """Return the same where it is known to go by gradients."""
    subject = trainer(resolved)
    assert isinstance(subject, GradientDescent)
    return subject


def train(subject: Trainer) -> list[Epoch]:
    """Train to the end; return all epochs that are recorded."""
    return [epoch for epoch in subject.run(lambda _: False) if epoch.is_recorded]


def losses(epochs: list[Epoch]) -> list[float]:
    """Return the losses of epochs."""
    return [epoch.loss for epoch in epochs]


def go(
    resolved: Resolved,
    directory: RunDirectory,
    listen: Listen = lambda *_: None,
    begin: Checkpoint | None = None,
    data: Data | None = None,
) -> Result:
    """Run a resolved configuration in a directory, which is made where it isn't there."""
    directory.path.mkdir(exist_ok=True)
    observers = [Records(directory), Pictures(directory, resolved, Drawer()), Listener(listen), Checkpoints(directory)]
    for event in experiment(resolved, data or load_data(resolved), begin):
        for observer in observers:
            observer.on(event)
        if isinstance(event, Finished):
            return event.result
    raise AssertionError("an experiment ends with its result")


def kept_network(resolved: Resolved, directory: RunDirectory) -> tuple[Forecaster, Scaler]:
    """Load the network that a run left, with its scaling."""
    horizon, loss = resolved.forecast.horizon, resolved.loss
    return load_network(resolved.model, horizon, resolved.runtime.dtype, loss, directory.read_weights())


def leave_undrawn(patch: pytest.MonkeyPatch) -> None:
    """Let runs and sweeps leave empty files for pictures: drawing takes longer than training where tests train."""

    def draw(sweep: SweepDirectory, _: object) -> None:
        sweep.plots.mkdir(exist_ok=True)
        (sweep.plots / "history.png").touch()

    patch.setattr(charts, "draw", draw)
    patch.setattr(Drawer, "draw", lambda _drawer, _shown, picture: picture.touch())


def save_each_epoch(patch: pytest.MonkeyPatch) -> None:
    """Let a run save a checkpoint at the end of each epoch, however short."""
    patch.setattr(checkpoints, "SPACING", 0.0)


class Given(Csv):
    """Series that are given, as those of a file are: nobody knows how they go on.

    Attributes:
        values: Of each series, (time, channel); lengths may differ.
        panel: Whether the parts are stretches of time within each series, also where there are several.
    """

    values: tuple[tuple[tuple[float, ...], ...], ...]
    panel: bool

    @property
    def channels(self) -> tuple[str, ...]:
        """See `Dataset.channels`."""
        return tuple(f"channel {index}" for index in range(len(self.values[0][0])))

    def open(self, seed: int) -> "GivenSource":
        """See `Dataset.open`."""
        return GivenSource(self)


@dataclass(frozen=True)
class GivenSource(Source):
    """Series that are given."""

    dataset: Given

    knows_continuation: ClassVar[bool] = False

    @property
    def shape(self) -> tuple[int, int]:
        """See `Source.shape`."""
        return len(self.lengths), min(self.lengths)

    @property
    def is_divided_by_time(self) -> bool:
        """See `Source.is_divided_by_time`."""
        return self.dataset.panel or super().is_divided_by_time

    @property
    def lengths(self) -> tuple[int, ...]:
        """See `Source.lengths`."""
        return tuple(map(len, self.dataset.values))

    @property
    def names(self) -> tuple[str, ...]:
        """See `Source.names`."""
        return tuple(f"shop {number}" for number in range(len(self.lengths)))

    def load(self, continuation: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Source.load`."""
        array = np.full((len(self.lengths), max(self.lengths), len(self.channels)), np.nan)
        for row, one in zip(array, self.dataset.values, strict=True):
            row[: len(one)] = one
        return array, array[:, :0]


def given(
    series: Iterable[np.ndarray],
    *overrides: str,
    split: tuple[int, int, int] | tuple[float, float, float] | None = None,
    panel: bool = False,
) -> Config:
    """Return a configuration, as it is written, whose series, (time, channel) each, are given."""
    values = tuple(tuple(tuple(map(float, step)) for step in one) for one in series)
    options = composed("dataset=csv").dataset.model_dump()
    dataset = Given.model_validate(options | {"split": split, "values": values, "panel": panel})
    return composed(*overrides).model_copy(update={"dataset": dataset})
