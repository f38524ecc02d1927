"""What a configuration is said to have without effect has none: another value changes no loss, weight or score."""

from functools import cache
from typing import Any

import pytest
import torch

from tests.support.parts import losses, small, train
from wavesweep.config.config import Resolved
from wavesweep.config.resolve import without_effect
from wavesweep.evaluation.forecasting import forecast_part
from wavesweep.evaluation.scores import scores
from wavesweep.experiment.experiment import make_trainer
from wavesweep.experiment.preparation import load_data

CASES = [
    (),
    ("optimizer=lbfgs",),
    ("training.refine_epochs=1",),
    ("training.refine_epochs=1", "optimizer@training.refiner=sgd"),
    ("model=linear", "model.order=3"),
    ("model=pointwise", "optimizer=sgd", "dataset.num_series=1"),
    ("dataset.num_series=1", "forecast.stride=1"),
    ("dataset.num_series=3",),  # of which one trains
]
OTHERS = {
    "forecast.stride": ("forecast.stride=7",),
    "model.centred": ("model.centred=true",),
    "model.joint": ("model.joint=true",),
    "model.known": ("model.known=[1]",),
    "model.lags": ("model.lags=[1,2]",),
    "model.memories": ("model.memories=[1]",),
    "model.memory": ("model.memory=3",),
    "model.relative": ("model.relative=true",),
    "model.ridge": ("model.ridge={order:3,centred:false,penalty:1,share:0.5}",),
    "model.smoothing": ("model.smoothing={level:1,slope:0,trend:0,damping:1,seasonal:0,season:1,span:2,share:0.5}",),
    "model.start": ("model.start=ridge", "model.ridge={order:3,centred:false,penalty:1,share:0.5}"),
    "optimizer": ("optimizer=sgd", "optimizer.lr=0.3"),
    "runtime.dtype": ("runtime.dtype=float64",),
    "training.batch_size": ("training.batch_size=2",),
    "training.clip_norm": ("training.clip_norm=1e-3",),
    "training.epoch_figures": ("training.epoch_figures=all",),
    "training.epochs": ("training.epochs=5",),
    "training.keep": ("training.keep=last",),
    "training.loss": ("training.loss=absolute",),
    "training.noise_end": ("training.noise_start=0.2", "training.noise_end=0.1"),
    "training.noise_start": ("training.noise_start=0.2", "training.noise_end=0.1"),
    "training.patience": ("training.patience=1",),
    "training.record_every": ("training.record_every=3",),
    "training.refine_epochs": ("training.refine_epochs=3",),
    "training.refine_restart_every": ("training.refine_restart_every=1",),
    "training.refine_windows": ("training.refine_windows=3",),
    "training.refiner": ("training.refiner.max_iter=2",),
    "training.refiner.schedule": ("training.refiner.schedule=constant",),
    "training.washout": ("training.washout=1",),
    "training.window": ("training.window=9",),
}
"""By what has no effect, overrides that change it."""


def made(*overrides: str) -> Resolved:
    return small("dataset.length=20", "training.epochs=3", "training.refine_epochs=0", *overrides)


@cache
def outcome(*overrides: str) -> tuple[list[float], dict[str, torch.Tensor], dict[str, Any]]:
    """Return what training gives: losses, weights, and scores on validation data."""
    resolved = made(*overrides)
    data = load_data(resolved)
    subject = make_trainer(resolved, data)
    recorded = losses(train(subject))
    validation = scores(forecast_part(subject.network, data.scaler, data.val), data.val, data.units)
    return recorded, subject.network.state_dict(), validation


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_what_is_said_to_have_no_effect_has_none(case: tuple[str, ...]) -> None:
    expected, weights, validation = outcome(*case)
    resolved = made(*case)
    keys = without_effect(resolved, load_data(resolved).division).keys()
    assert keys
    for key in keys:
        recorded, same, scored = outcome(*case, *OTHERS[key])
        assert (recorded, scored) == (expected, validation), key
        assert all(torch.equal(value, weights[name]) for name, value in same.items()), key


def test_each_of_these_has_an_effect_elsewhere() -> None:
    """Else the test above would say nothing."""
    beside = ("model.highway=true", "model.lags=[1,3]", "forecast.horizon=3")
    elsewhere = {
        **{f"model.{key}": beside for key in ("centred", "lags", "memories", "memory", "ridge", "smoothing", "start")},
        "model.relative": (*beside, "model.relative=false"),
        "forecast.stride": ("dataset.num_series=1", "forecast.horizon=1"),
        "training.refine_restart_every": ("training.refine_epochs=2",),
        "training.refine_windows": ("training.refine_epochs=1",),
        "training.refiner": ("training.refine_epochs=1",),
    }
    shown_elsewhere = {"training.epoch_figures", "training.keep", "training.patience"}  # of a run, not of training
    shown_elsewhere |= {"model.joint", "model.known"}  # of several channels; of a file that knows something in advance
    shown_elsewhere |= {"training.refiner.schedule"}  # of no refiner, but of the same optimizers in the main stage
    for key, overrides in OTHERS.items():
        case = elsewhere.get(key, ())
        if key not in shown_elsewhere:
            recorded, _, scored = outcome(*case, *overrides)
            assert (recorded, scored) != outcome(*case)[::2], key
