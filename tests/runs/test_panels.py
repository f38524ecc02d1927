"""Whole runs on panels and single series: what reaches what, what is watched, and that a scale changes nothing."""

import json
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hydra_queue_sweeper.base import signals
from tests.support import parts
from tests.support.baselines import fit_baselines
from tests.support.parts import given as given_series
from tests.support.parts import kept_network, leave_undrawn, losses, save_each_epoch, train
from tests.support.records import rows
from wavesweep.config.config import Config
from wavesweep.config.resolve import outline
from wavesweep.data.by_time import ByTime
from wavesweep.evaluation.beside_baselines import forecast_by
from wavesweep.evaluation.forecasting import forecast_part
from wavesweep.evaluation.scores import scores
from wavesweep.experiment.experiment import make_trainer
from wavesweep.experiment.preparation import Prepared, prepare
from wavesweep.experiment.result import Result
from wavesweep.models.weights import load_widths
from wavesweep.runs.checkpoints import load_checkpoint
from wavesweep.workspace.directory import RunDirectory

STAGES = ("training.epochs=3", "training.refine_epochs=2", "training.refine_restart_every=1", "training.batch_size=4")
SMALL = (*STAGES, "model.hidden_sizes=[5]")
SCALED = "val/closed_loop_scaled_mse"
SAMPLED = "val/sampled_closed_loop_scaled_mse"


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_undrawn(monkeypatch)


def waves(lengths: Sequence[int], channels: int, seed: int = 0, noise: float = 0.3) -> list[np.ndarray]:
    """Return waves of period 6 with noise, (time, channel) each."""
    draws = np.random.default_rng(seed)
    return [
        np.sin((np.arange(length)[:, None] + draws.integers(6, size=channels)) * np.pi / 3)
        + noise * draws.normal(size=(length, channels))
        for length in lengths
    ]


def go(prepared: Prepared, path: Path, **more: Any) -> tuple[Result, RunDirectory]:
    directory = RunDirectory(path)
    return parts.go(prepared.config, directory, data=prepared.data, **more), directory


@dataclass(frozen=True)
class Case:
    """Series, and other values for what is not the training part of each.

    Attributes:
        series: (time, channel) each.
        config: Of them.
        spoil_test: The same with other values in the test part.
        spoil_both: The same with other values in validation and test part.
    """

    series: list[np.ndarray]
    config: Config
    spoil_test: Config
    spoil_both: Config


def case(series: list[np.ndarray], amount: float, *overrides: str) -> Case:
    """Return a case whose other values are noise of such a size."""

    def configured(values: list[np.ndarray]) -> Config:
        return given_series(values, *SMALL[:-1], *overrides, panel=True)

    config = configured(series)
    division = outline(config).division
    assert isinstance(division, ByTime)
    parts = division.stretches
    noise = [np.random.default_rng(7).normal(size=one.shape) for one in series]
    tests, both = [one.train + one.val for one in parts], [one.train for one in parts]
    spoilt = [
        configured([np.concatenate([a[:at], amount * b[at:]]) for a, b, at in zip(series, noise, first, strict=True)])
        for first in (tests, both)
    ]
    return Case(series, config, *spoilt)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a single series, or several, whose parts are stretches of time."""
    lengths, channels = draw(st.lists(st.integers(20, 70), min_size=1, max_size=3)), draw(st.integers(1, 3))
    drift, scale = draw(st.sampled_from([0.0, 0.3])), draw(st.sampled_from([1e-3, 1.0, 1e6]))
    series = [
        scale**number * (one + drift * np.arange(len(one))[:, None])
        for number, one in enumerate(waves(lengths, channels, draw(st.integers(0, 99))))
    ]
    standardize = f"training.standardize={draw(st.sampled_from(['null', 'global', 'series', 'false']))}"
    model = draw(st.sampled_from([("model.hidden_sizes=[5]",), ("model=linear", "model.order=2")]))
    short = ("training.epochs=2", "training.refine_epochs=1")
    return case(series, draw(st.sampled_from([1.0, 1e3, -1e9])), standardize, *short, *model)


def learnt(prepared: Prepared) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Return what training gives, whatever is watched: losses, and weights at the end."""
    subject = make_trainer(prepared.config, prepared.data)
    return losses(train(subject)), subject.network.state_dict()


def without_values(config: Config) -> Config:
    """Return all that is configured but the values of the data."""
    return config.model_copy(update={"dataset": config.dataset.model_copy(update={"values": ()})})


def nothing_but_the_training_part_reaches_training_scales_and_seasons(case: Case) -> None:
    before, after, tested = map(prepare, (case.config, case.spoil_both, case.spoil_test))
    assert without_values(before.config) == without_values(tested.config)
    # The lags of a highway are chosen by the validation part, as those of the baseline are.
    after = replace(after, config=after.config.model_copy(update={"model": before.config.model}))
    assert without_values(before.config) == without_values(after.config)
    for ours, theirs in zip(before.data.train, after.data.train, strict=True):
        assert np.array_equal(ours, theirs)
    for name in ("units", "scaler"):
        ours, theirs = getattr(before.data, name), getattr(after.data, name)
        assert np.array_equal([ours.mean, ours.std], [theirs.mean, theirs.std])
    (recorded, weights), (again, same) = learnt(before), learnt(after)
    assert recorded == again
    assert all(torch.equal(value, weights[name]) for name, value in same.items())


def baselines_are_fitted_to_the_training_part_and_chosen_on_validation(case: Case) -> None:
    """The test part reaches none; nor do values of the validation part, but for the windows to choose by."""
    before = replace(prepare(case.config).data, seasons=(6,))
    part, expected = before.val, fit_baselines(before)
    for config in (case.spoil_test, case.spoil_both):
        data = replace(prepare(config).data, val=part, seasons=(6,))
        for name, one in fit_baselines(data).items():
            assert np.array_equal(forecast_by(one, data, part), forecast_by(expected[name], before, part)), name
    assert np.array_equal(part.truth, prepare(case.spoil_test).data.val.truth)


LAWS = [
    nothing_but_the_training_part_reaches_training_scales_and_seasons,
    baselines_are_fitted_to_the_training_part_and_chosen_on_validation,
]


@pytest.mark.parametrize("law", LAWS)
def test_of_a_panel(law: Callable[[Case], None]) -> None:
    law(case(waves((41, 23), 3), 1e3, "model.hidden_sizes=[5]"))


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
def test_of_any_series(law: Callable[[Case], None]) -> None:
    settings(max_examples=16, deadline=None)(given(cases())(law))()


PANEL = (90, 61, 133)


def panel(*overrides: str, factor: float = 1.0, channels: int = 3) -> Prepared:
    series = waves(PANEL, channels)
    series[1] = factor * series[1]
    return prepare(given_series(series, *SMALL, *overrides, panel=True))


class TestAScaleOfEachSeries:
    @pytest.mark.slow
    def test_its_unit_changes_nothing_but_its_forecasts(self, tmp_path: Path) -> None:
        """To the last bit: powers of two round nothing."""
        first, second = panel(), panel(factor=2.0**10)
        (ours, one), (theirs, other) = (go(each, tmp_path / name) for each, name in ((first, "1"), (second, "2")))
        changed = {"one_step_mse", "closed_loop_mse", "sampled_one_step_mse", "sampled_closed_loop_mse"}
        for row, again in zip(rows(one), rows(other), strict=True):
            assert row.keys() == again.keys()
            for key in row:
                assert key.rpartition("/")[2] in changed or row[key] == again[key], key
        assert ours.objective == theirs.objective
        forecasts = []
        for each, directory in ((first, one), (second, other)):
            network, _ = kept_network(each.config, directory)
            forecasts.append(forecast_part(network, each.data.scaler, each.data.val).closed_loop)
        own = first.data.val.series == 1
        assert np.array_equal(2.0**10 * forecasts[0][own], forecasts[1][own])
        assert np.array_equal(forecasts[0][~own], forecasts[1][~own])

    @pytest.mark.slow
    def test_one_of_all_is_another_matter(self) -> None:
        """Else the test above would say nothing."""
        first, second = (learnt(panel("training.standardize=global", factor=factor))[0] for factor in (1.0, 2.0**10))
        assert first != second


def test_no_test_value_reaches_the_intervals(tmp_path: Path) -> None:
    overrides = ("forecast.horizon=3", "model=linear", "model.order=2")
    subject = case(waves(PANEL, 3), 1e3, *overrides)
    (first, one), (second, other) = (
        go(prepare(config), tmp_path / name) for name, config in (("1", subject.config), ("2", subject.spoil_test))
    )
    widths = load_widths(one.weights.read_bytes())
    assert widths is not None
    assert widths.by_series is not None
    assert widths.by_series.shape == (3, 3, 3)
    assert one.weights.read_bytes() == other.weights.read_bytes()
    assert 0.5 < first.metrics["test/coverage"] <= 1
    assert second.metrics["test/coverage"] < 0.1, "the test part is as it was, so that this says nothing"
    for key in ("test/interval_width", "test/baseline_interval_width"):
        assert first.metrics[key] == second.metrics[key] > 0
    test = prepare(subject.config).data.test
    assert test
    number = np.bincount(test.series)
    wide = 2 * np.average(widths.by_series.mean(axis=(1, 2)), weights=number)
    assert first.metrics["test/interval_width"] == pytest.approx(wide)
    covered = {row.series: row.coverage or 0 for row in first.by_series}
    assert first.metrics["test/coverage_least"] == min(covered.values()) < first.metrics["test/coverage"]
    in_order = [covered[f"shop {one}"] for one in range(3)]
    assert np.average(in_order, weights=number) == pytest.approx(first.metrics["test/coverage"])


class TestWhatIsWatched:
    def test_all_validation_data_decide(self, tmp_path: Path) -> None:
        prepared = panel("model.highway=false")
        result, directory = go(prepared, tmp_path / "run")
        data = prepared.data
        network, _ = kept_network(prepared.config, directory)
        whole = scores(forecast_part(network, data.scaler, data.val), data.val, data.units)["closed_loop_scaled_mse"]
        assert (result.objective, result.metrics["val/kept_scaled_mse"]) == (whole, whole)
        [recorded] = [row for row in directory.read_metrics() if row.get("epoch") == result.epoch]
        assert SCALED not in recorded, "of a sample, by a name that says so"
        assert recorded[SAMPLED] != whole, "all was watched, so that the test says nothing"
        assert result.metrics[SAMPLED] == recorded[SAMPLED]
        assert directory.watches_a_sample()

    def test_it_is_the_same_after_each_epoch_and_evenly_spread(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        prepared, seen = panel("training.epochs=4", "training.refine_epochs=1"), []

        def look(network: Any, scaler: Any, part: Any) -> Any:
            seen.append((part.series.tolist(), part.start.tolist()))
            return forecast_part(network, scaler, part)

        monkeypatch.setattr("wavesweep.experiment.experiment.forecast_part", look)
        go(prepared, tmp_path / "run")
        [(numbers, starts)] = {(tuple(one), tuple(two)) for one, two in seen if len(two) == 16}
        whole = [*zip(prepared.data.val.series.tolist(), prepared.data.val.start.tolist(), strict=True)]
        places = [whole.index(pair) for pair in zip(numbers, starts, strict=True)]
        assert (places[0], places[-1]) == (0, len(whole) - 1)
        assert np.ptp(np.diff(places)) <= 1
        assert sum(len(starts) == 16 for _, starts in seen) == 5

    @pytest.mark.slow
    def test_a_run_goes_on_from_any_checkpoint_to_the_same_end(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save_each_epoch(monkeypatch)
        prepared = panel()
        straight = RunDirectory(tmp_path / "straight")
        straight.path.mkdir()

        def copy(epoch: int, *_: object) -> None:
            shutil.copytree(straight.path, tmp_path / str(epoch - 1))

        expected, _ = go(prepared, straight.path, listen=copy)
        for epoch in (2, 4):
            resumed = RunDirectory(tmp_path / str(epoch))
            torch.manual_seed(999)
            result, _ = go(prepared, resumed.path, begin=load_checkpoint(resumed))
            assert (result.epoch, result.objective) == (expected.epoch, expected.objective)
            assert resumed.weights.read_bytes() == straight.weights.read_bytes()
            assert json.dumps(rows(resumed)) == json.dumps(rows(straight))


@pytest.mark.parametrize("model", ["tiny", "linear"])
@pytest.mark.parametrize("lengths", [(40, 41), (23, 150), (12,), (30, 30, 30)])
def test_panels_of_any_lengths_can_be_run(tmp_path: Path, lengths: tuple[int, ...], model: str) -> None:
    prepared = prepare(given_series(waves(lengths, 2), *STAGES, f"model={model}", panel=True))
    result, _ = go(prepared, tmp_path / "run")
    assert not result.diverged
    missing = {key for key, value in result.metrics.items() if not np.isfinite(value)}
    assert not missing


@pytest.mark.parametrize(
    ("context", "model"),
    [
        (1, ("model.difference=false",)),
        (2, ("model.difference=true",)),
        (1, ("model=linear", "model.order=1")),
        (15, ("model=linear", "model.order=15")),
    ],
)
@pytest.mark.parametrize("panel", [True, False], ids=["by time", "by series"])
def test_a_context_as_short_as_a_network_needs_can_be_run(
    tmp_path: Path, context: int, model: tuple[str, ...], panel: bool
) -> None:
    overrides = (*STAGES, *model, f"forecast.context={context}", "forecast.horizon=4")
    result, _ = go(prepare(given_series(waves((40, 40, 40, 40), 3), *overrides, panel=panel)), tmp_path / "run")
    assert np.isfinite([*result.metrics.values()]).all()


@pytest.mark.slow
def test_a_thousand_short_series_are_learnt(tmp_path: Path) -> None:
    """Of magnitudes that lie six decades apart: better than the baselines, in well under a minute."""
    draws = np.random.default_rng(0)
    lengths = draws.integers(30, 60, 1000)
    series = [10 ** draws.uniform(-3, 3) * one for one in waves(lengths.tolist(), 1)]
    result, _ = go(prepare(given_series(series, panel=True)), tmp_path / "run")
    assert result.metrics["time/train_seconds"] < 60
    assert result.metrics["test/gain_low"] > 0


def test_forecasts_from_many_origins_end_after_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which may come while all origins are judged, for seconds."""
    prepared = panel("forecast.horizon=2")
    data, network = prepared.data, make_trainer(prepared.config, prepared.data).network
    forecast_part(network, data.scaler, data.val)
    monkeypatch.setattr(signals._Mark, "signum", signal.SIGTERM)  # since the machine began
    with pytest.raises(signals.Interrupted):
        forecast_part(network, data.scaler, data.val)
