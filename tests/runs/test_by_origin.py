"""What a run leaves of its errors at the validation origins."""

from pathlib import Path

import numpy as np
import pytest

from tests.support import parts
from tests.support.parts import given, leave_undrawn
from wavesweep.config.config import Config
from wavesweep.evaluation.by_origin import ErrorsByOrigin, unpack
from wavesweep.experiment.preparation import prepare
from wavesweep.experiment.result import Result
from wavesweep.workspace.directory import RunDirectory

TRAINED = ("training.epochs=3", "training.refine_epochs=0", "training.batch_size=4")


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_undrawn(monkeypatch)


def configured(*overrides: str, num_series: int = 2) -> Config:
    """Return a configuration of noisy waves of period 6, of unequal lengths."""
    rng = np.random.default_rng(0)
    series = [
        np.sin(np.arange(length) * np.pi / 3)[:, None] + 0.3 * rng.normal(size=(length, 1)) for length in (130, 90)
    ]
    return given(series[:num_series], *TRAINED, "forecast.horizon=3", "forecast.context=20", *overrides, panel=True)


def go(config: Config, path: Path) -> tuple[Result, ErrorsByOrigin | None]:
    """Run a configuration; return its result, and what it left."""
    ready, directory = prepare(config), RunDirectory(path)
    result = parts.go(ready.config, directory, data=ready.data)
    return result, unpack(directory.read_by_origin()) if directory.by_origin.exists() else None


@pytest.mark.parametrize("overrides", [("model=tiny",), ("training.keep=last",), ("model=linear", "model.order=2")])
@pytest.mark.parametrize("num_series", [1, 2])
def test_their_mean_is_the_objective(tmp_path: Path, num_series: int, overrides: tuple[str, ...]) -> None:
    config = configured(*overrides, num_series=num_series)
    result, left = go(config, tmp_path / "run")
    assert left
    assert left.errors.mean() == pytest.approx(result.objective, rel=1e-12)
    val = prepare(config).data.val
    assert (len(left.errors), left.overlap) == (len(np.unique(val.origin)), 3)


def test_runs_on_the_same_validation_part_are_of_one_part_and_others_are_not(tmp_path: Path) -> None:
    same = ["seed=1", "model.hidden_sizes=[3]", "forecast.context=12"]
    other = ["forecast.horizon=2", "forecast.stride=2"]
    found = [
        left.part
        for number, override in enumerate(["seed=0", *same, *other])
        if (left := go(configured(override), tmp_path / str(number))[1])
    ]
    assert [one == found[0] for one in found] == [True, True, True, True, False, False]


def test_what_is_judged_by_another_metric_leaves_none(tmp_path: Path) -> None:
    _, left = go(configured("objective=val/one_step_mse"), tmp_path / "run")
    assert left is None


def test_series_that_are_forecast_once_leave_none(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    parts.go(parts.small("dataset.num_series=60"), directory)
    assert not directory.by_origin.exists()
