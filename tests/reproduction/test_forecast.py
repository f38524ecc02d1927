"""Forecasts with a stored run: the command, the notebook and the served model give the same numbers."""

import gzip
import logging
import shlex
import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from matplotlib.image import imread
from mlflow.pyfunc import PyFuncModel, load_model

import wavesweep as ws
from hydra_queue_sweeper.base.errors import Refused
from tests.support.commands import SMALL, call
from tests.support.imports import imported_by
from tests.support.parts import composed, given, go, leave_undrawn
from tests.support.series_files import opened
from wavesweep.config.composing import compose
from wavesweep.config.resolve import outline
from wavesweep.data.dataset import Observed
from wavesweep.data.scaling import Scaler
from wavesweep.evaluation.forecasting import closed_loop
from wavesweep.experiment.preparation import load_data, prepare
from wavesweep.files.stamps import continue_stamps
from wavesweep.models.weights import load_widths
from wavesweep.reproduction.forecasting import TrainedModel, own_series
from wavesweep.reproduction.series_files import read_series
from wavesweep.reproduction.tables import continuations, to_csv
from wavesweep.trackers.mlflow.store import connect
from wavesweep.workspace.directory import RunDirectory

QUICK = (*SMALL, "model=tiny", "model.hidden_sizes=[5]", "runtime.device=cpu")
WAVE = np.sin(np.arange(60) / 3)
CHANNELS = ("channel 0", "channel 1", "channel 2")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the command has run once, in MLflow too."""
    place = tmp_path_factory.mktemp("forecast")
    assert call(*QUICK, cwd=place).returncode == 0
    return place


@pytest.fixture(scope="module")
def run(place: Path) -> ws.Run:
    [path] = (place / "outputs" / "runs").iterdir()
    return ws.open_run(path)


@pytest.fixture(scope="module")
def of_three(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    """Return a model of three channels, trained on two series."""
    values = np.random.default_rng(0).normal(size=(4, 30, 3)).cumsum(axis=1)
    overrides = ("model=tiny", "model.hidden_sizes=[5]", "training.epochs=2", "training.refine_epochs=1")
    prepared = prepare(given(values, *overrides, "forecast.horizon=7", split=(2, 1, 1)))
    directory = RunDirectory(tmp_path_factory.mktemp("three") / "run")
    with pytest.MonkeyPatch.context() as patch:
        leave_undrawn(patch)
        go(prepared.config, directory)
    return TrainedModel.load(prepared.config, directory.weights.read_bytes())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.csv"


def written(path: Path, columns: dict[str, object]) -> Path:
    """Write a table with all digits."""
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def read(path: Path) -> pd.DataFrame:
    """Read a forecast of one channel to the last bit, as not every version of pandas does."""
    return pd.read_csv(path, converters={"value": float})


def forecast(run: ws.Run, *arguments: str, cwd: Path) -> pd.DataFrame:
    """Forecast by the command; return what it has written."""
    done = call("forecast", str(run.path), *arguments, "--output", "ahead.csv", cwd=cwd, pictures=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "ahead.csv" in done.stdout
    assert "ahead.png" in done.stdout
    return read(cwd / "ahead.csv")


def array(table: pd.DataFrame, count: int, *channels: str) -> np.ndarray:
    """Return a forecast that was written, (series, horizon, channel)."""
    return table[list(channels or ["value"])].to_numpy().reshape(count, -1, len(channels) or 1)


class TestOwnSeries:
    def test_all_are_continued_beyond_their_end(self, run: ws.Run) -> None:
        observed, ahead = outline(run.config).division.source.load(25)
        series = own_series(run.config)
        assert [one.name for one in series] == [*range(7)]
        assert np.array_equal([one.values for one in series], observed)
        model = TrainedModel.load(run.config, (run.path / "model.safetensors").read_bytes())
        assert np.array_equal(run.forecast(horizon=25), model.forecast(series, 25))
        assert run.forecast(horizon=25).shape == ahead.shape

    def test_a_context_is_their_end(self) -> None:
        config = prepare(composed(*QUICK, "forecast.context=15")).config
        observed, _ = outline(config).division.source.load(1)
        series = own_series(config)
        assert np.array_equal([one.values for one in series], observed[:, 25:])
        assert {one.start for one in series} == {25}

    def test_the_held_back_steps_of_a_data_set_are_observed(self, of_three: TrainedModel) -> None:
        values = outline(of_three.config).division.source.load(0)[0]
        series = own_series(of_three.config)
        assert np.array_equal([one.values for one in series], values[:, 30 - len(series[0].values) :])
        assert [one.start for one in series] == [30 - len(series[0].values)] * 4

    @pytest.mark.parametrize("lengths", [(60,), (60, 33, 41)], ids=["single", "panel"])
    @pytest.mark.parametrize("standardize", ["series", "global", "false"])
    def test_each_is_seen_in_the_units_that_the_network_was_trained_in(
        self, lengths: tuple[int, ...], standardize: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        leave_undrawn(monkeypatch)
        draws = np.random.default_rng(0)
        values = [10.0**n * draws.normal(size=(length, 3)).cumsum(axis=0) for n, length in enumerate(lengths)]
        stages = ("model.hidden_sizes=[5]", "training.epochs=1", "training.refine_epochs=0")
        prepared = prepare(given(values, *stages, f"training.standardize={standardize}", panel=True))
        go(prepared.config, directory := RunDirectory(tmp_path / "run"))
        model = TrainedModel.load(prepared.config, directory.weights.read_bytes())
        series, context = own_series(prepared.config), prepared.config.forecast.context
        for number, (one, whole) in enumerate(zip(series, values, strict=True)):
            assert np.array_equal(one.values, whole[-context:])
            assert one.start == len(whole) - context
            units = prepared.data.scaler.of(number)
            by_hand = Scaler(np.ravel(units.mean), np.ravel(units.std))
            alone = closed_loop(model.network, by_hand, one.values[None], np.array([one.start]), 7)[0]
            np.testing.assert_allclose(model.forecast(series, 7)[number], alone, rtol=1e-4, atol=1e-5)

    def test_the_command_gives_the_notebook_s_numbers(self, run: ws.Run, tmp_path: Path) -> None:
        table = forecast(run, "--horizon", "13", cwd=tmp_path)
        assert [*table] == ["series", "step", "value"]
        assert table.series.tolist() == np.repeat(range(7), 13).tolist()
        assert table.step.tolist() == [*range(40, 53)] * 7
        assert np.array_equal(array(table, 7), run.forecast(horizon=13))
        assert imread(tmp_path / "ahead.png")[..., :3].std() > 0.01, "an empty picture"

    def test_by_default_it_goes_below_outputs(self, run: ws.Run, tmp_path: Path) -> None:
        for _ in range(2):
            assert call("forecast", str(run.path), cwd=tmp_path).returncode == 0
        files = sorted((tmp_path / "outputs" / "forecasts").iterdir())
        assert [path.suffix for path in files] == [".csv", ".png"] * 2
        assert [*tmp_path.iterdir()] == [tmp_path / "outputs"]
        assert np.array_equal(array(read(files[0]), 7), run.forecast())

    def test_a_run_that_mlflow_alone_has_gives_the_same(
        self, place: Path, run: ws.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(place)
        client, experiment = connect(compose().tracking)
        [stored] = client.search_runs([experiment])
        expected = run.forecast()
        shutil.move(run.path, tmp_path)
        try:
            done = call("forecast", stored.info.run_id[:7], "--output", f"{tmp_path}/x.csv", cwd=place)
        finally:
            shutil.move(tmp_path / run.path.name, run.path)
        assert done.returncode == 0, done.stderr
        assert np.array_equal(array(read(tmp_path / "x.csv"), 7), expected)


class TestLaws:
    @pytest.mark.parametrize("horizon", [1, 2, 20])
    def test_a_forecast_is_the_beginning_of_a_longer_one(self, of_three: TrainedModel, horizon: int) -> None:
        series = own_series(of_three.config)
        one, longer = (of_three.forecast(series, steps) for steps in (horizon, horizon + 1))
        np.testing.assert_allclose(one, np.array(longer)[:, :horizon], rtol=1e-4, atol=1e-5)

    def test_series_of_unequal_lengths_are_forecast_as_alone(self, of_three: TrainedModel) -> None:
        series = [
            replace(one, values=one.values[-length:])
            for one, length in zip(own_series(of_three.config), (9, 20, 9, 5), strict=True)
        ]
        together = of_three.forecast(series, 4)
        assert [values.shape for values in together] == [(4, 3)] * 4
        for one, values in zip(series, together, strict=True):
            np.testing.assert_allclose(of_three.forecast([one], 4)[0], values, rtol=1e-4, atol=1e-5)

    def test_the_time_index_is_the_series_own(self, tmp_path: Path) -> None:
        """A network of the time alone tells when a forecast begins."""
        overrides = ("dataset.num_series=1", "model=pointwise", "training.refine_epochs=0", "forecast.context=10")
        config = prepare(composed(*SMALL, *overrides)).config
        directory = RunDirectory(tmp_path / "run")
        with pytest.MonkeyPatch.context() as patch:
            leave_undrawn(patch)
            go(config, directory)
        model = TrainedModel.load(config, directory.weights.read_bytes())
        [ahead] = model.forecast([Observed(0, np.zeros((10, 1)), start=30)], 5)
        assert np.array_equal(ahead, model.forecast(own_series(config), 5)[0])
        assert not np.array_equal(ahead, model.forecast([Observed(0, np.zeros((10, 1)))], 5)[0])

    def test_torch_is_left_as_it_was(self, run: ws.Run) -> None:
        before, state = torch.get_num_threads(), torch.get_rng_state()
        torch.set_num_threads(2)
        try:
            run.forecast(horizon=2)
            assert torch.get_num_threads() == 2
        finally:
            torch.set_num_threads(before)
        assert torch.equal(torch.get_rng_state(), state)

    def test_what_is_written_is_read_to_the_last_bit(self) -> None:
        values = np.random.default_rng(0).normal(size=(7, 3)) * 10.0 ** np.arange(-200, 10, 30)[:, None]
        text = to_csv(continuations(CHANNELS, [Observed("a,b", np.zeros((2, 3)))], [values])).decode()
        header, *rows = text.splitlines()
        assert header == "series,step,channel 0,channel 1,channel 2"
        assert np.array_equal([[float(cell) for cell in row.split(",")[3:]] for row in rows], values)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> ws.Run:
    """Return a run whose nine validation series tell intervals, of 40 steps ahead."""
    place = tmp_path_factory.mktemp("calibrated")
    sizes = ("dataset.num_series=30", "dataset.split=[14,9,7]", "dataset.length=40", "hydra.run.dir=run")
    assert call(*QUICK, *sizes, cwd=place).returncode == 0
    return ws.open_run(place / "run")


class TestIntervals:
    BOUNDS = ("value_lower", "value_upper")

    def test_their_bounds_stand_beside_the_forecast(self, calibrated: ws.Run, tmp_path: Path) -> None:
        table = forecast(calibrated, cwd=tmp_path)
        assert [*table] == ["series", "step", "value", *self.BOUNDS]
        lower, middle, upper = calibrated.forecast(bounds=True)
        assert np.array_equal(middle, calibrated.forecast())
        for name, values in (("value", middle), ("value_lower", lower), ("value_upper", upper)):
            assert np.allclose(array(table, 30, name), values, rtol=1e-12, atol=0)
        widths = load_widths((calibrated.path / "model.safetensors").read_bytes())
        assert widths is not None
        std = load_data(calibrated.config).units.std
        np.testing.assert_allclose(upper - middle, np.broadcast_to(widths.of_all * std, upper.shape))
        assert calibrated.result.metrics["test/interval_width"] == pytest.approx(2 * widths.of_all.mean())

    def test_beyond_the_horizon_nothing_is_claimed(self, calibrated: ws.Run, tmp_path: Path) -> None:
        done = call("forecast", str(calibrated.path), "--horizon", "43", "--output", "x.csv", cwd=tmp_path)
        assert done.returncode == 0
        assert done.stderr == (
            "intervals are known 40 steps ahead, and left out beyond; a run with forecast.horizon=43 has them all\n"
        )
        for row in (tmp_path / "x.csv").read_text().splitlines()[41:44]:
            assert row.endswith(",,")
        table = read(tmp_path / "x.csv")
        for name in self.BOUNDS:
            assert table[name].isna().tolist() == ([False] * 40 + [True] * 3) * 30
        assert np.isnan(calibrated.forecast(horizon=43, bounds=True)[::2, :, 40:]).all()

    def test_too_few_validation_series_claim_nothing(self, run: ws.Run) -> None:
        lower, middle, upper = run.forecast(WAVE, 9, bounds=True)
        assert np.array_equal(middle, run.forecast(WAVE, 9))
        assert np.isnan([lower, upper]).all()

    def test_all_origins_have_them(self, calibrated: ws.Run, tmp_path: Path) -> None:
        done = call("forecast", str(calibrated.path), "--origins", "--output", "x.csv", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        table = read(tmp_path / "x.csv")
        assert [*table] == ["series", "origin", "step", "value", *self.BOUNDS, "value_true"]
        held = (table.value_lower <= table.value_true) & (table.value_true <= table.value_upper)
        assert held.mean() == pytest.approx(calibrated.result.metrics["test/coverage"])

    def test_the_served_model_s_are_the_command_s(self, calibrated: ws.Run, tmp_path: Path) -> None:
        """Of series that the run has not seen, in the scale of all that it was trained on."""
        written(tmp_path / "data.csv", {"north": 10 * WAVE[:40], "south": WAVE[7:47]})
        commanded = forecast(calibrated, "--data", "data.csv", cwd=tmp_path)
        table = pd.DataFrame({"series": ["north"] * 40 + ["south"] * 40, "value": [*10 * WAVE[:40], *WAVE[7:47]]})
        answer = load_model(str(calibrated.path / "model")).predict(table)
        assert [*answer] == ["series", "value", *self.BOUNDS]
        np.testing.assert_allclose(answer[[*answer][1:]], commanded[[*answer][1:]], rtol=1e-12)
        wide = (answer.value_upper - answer.value_lower).to_numpy().reshape(2, 40)
        np.testing.assert_allclose(wide[0], wide[1])

    def test_a_forecast_with_them_can_be_forecast_on(self, calibrated: ws.Run, tmp_path: Path) -> None:
        table = forecast(calibrated, cwd=tmp_path)
        series = read_series(tmp_path / "ahead.csv", ("value",))
        assert np.array_equal([one.values for one in series], array(table, 30))

    @pytest.mark.parametrize("standardize", ["series", "global", "false"])
    def test_of_a_panel_they_have_each_series_own_scale(self, standardize: str, tmp_path: Path) -> None:
        draws = np.random.default_rng(0)
        values = [10.0**n * draws.normal(size=(length, 3)) * [1, 7, 0.1] for n, length in enumerate((99, 150))]
        stages = ("model=linear", "model.order=2", "forecast.horizon=7", f"training.standardize={standardize}")
        prepared = prepare(given(values, *stages, panel=True))
        with pytest.MonkeyPatch.context() as patch:
            leave_undrawn(patch)
            go(prepared.config, directory := RunDirectory(tmp_path / "run"))
        model = TrainedModel.load(prepared.config, directory.weights.read_bytes())
        assert model.widths is not None
        assert model.widths.of_all.shape == (7, 3)
        assert model.widths.by_series is not None
        wide = model.reach(own_series(prepared.config), [np.zeros((5, 3))] * 2)
        assert wide is not None
        for one, own, std in zip(wide, model.widths.by_series, prepared.data.units.std, strict=True):
            np.testing.assert_allclose(one, [own[:5] * std] * 2)
            assert not np.allclose(own, model.widths.of_all)
        foreign = Observed("new", 1e6 * draws.normal(size=(40, 3)))
        [strange] = model.reach([foreign], [np.zeros((7, 3))]) or []
        scale = model.scaler.std if standardize == "global" else foreign.values.std(axis=0)
        np.testing.assert_allclose(strange, [model.widths.of_all * scale] * 2)

    def test_channels_called_like_bounds_keep_their_columns(self) -> None:
        channels, half = ("x", "x_lower", "y"), np.arange(1, 22.0).reshape(7, 3)
        values = np.random.default_rng(0).normal(size=(7, 3))
        text = to_csv(
            continuations(channels, [Observed("a", np.zeros((2, 3)))], [values], [np.stack([2 * half, half])])
        ).decode()
        table = pd.read_csv(StringIO(text))
        np.testing.assert_allclose(table[[*channels]], values)
        np.testing.assert_allclose(table[[f"{name}__lower" for name in channels]], values - 2 * half)
        np.testing.assert_allclose(table[[f"{name}__upper" for name in channels]], values + half)
        assert len({*table}) == 2 + 9


class TestFiles:
    """Of two series, 40 and 20 steps."""

    def test_a_column_a_series(self, run: ws.Run, tmp_path: Path, file: Path) -> None:
        written(file, {"north": WAVE[:40], "south": WAVE[7:47]})
        table = forecast(run, "--data", "data.csv", "--horizon", "5", cwd=tmp_path)
        assert table.series.tolist() == ["north"] * 5 + ["south"] * 5
        assert np.array_equal(array(table, 2), run.forecast(np.stack([WAVE[:40], WAVE[7:47]]), 5))

    @pytest.mark.parametrize("column", ["value", "load"])
    def test_one_below_another(self, file: Path, column: str) -> None:
        names = ["b"] * 40 + ["a"] * 20
        written(file, {"series": names, "step": [*range(7, 47), *range(20)], column: WAVE})
        first, second = read_series(file, ("load",))
        assert (first.name, first.start, second.name, second.start) == ("b", 7, "a", 0)
        assert np.array_equal(first.values[:, 0], WAVE[:40])
        assert np.array_equal(second.values[:, 0], WAVE[40:])
        order = np.random.default_rng(0).permutation(60)
        shuffled = pd.read_csv(file).iloc[order].sort_values("step", kind="stable")  # series in turns
        shuffled.to_csv(file, index=False)
        assert {one.name: len(one.values) for one in read_series(file, ("load",))} == {"a": 20, "b": 40}

    def test_channels_by_name(self, of_three: TrainedModel, file: Path) -> None:
        values = np.random.default_rng(1).normal(size=(11, 3))
        written(
            file, {"t": range(3, 14), CHANNELS[2]: values[:, 2], CHANNELS[0]: values[:, 0], CHANNELS[1]: values[:, 1]}
        )
        [one] = read_series(file, CHANNELS)
        assert (one.name, one.start) == (0, 3)
        assert np.array_equal(one.values, values)
        table = pd.DataFrame(values, columns=list(CHANNELS)).assign(series=[5] * 4 + [3] * 7)
        table.to_csv(file, index=False)
        first, second = read_series(file, CHANNELS)
        assert (first.name, second.name) == ("5", "3")
        assert np.array_equal(second.values, values[4:])

    def test_a_file_as_the_run_s_own(self, file: Path) -> None:
        """It is read with the options of the run's data set, whose file told some of them."""
        table = {"day": ["1.2.24", "2.2.24"], "symbol": ["a", "a"], "v": [1, 2]}
        options = opened(written(file, table), time_format="%d.%m.%y").dataset.options
        written(file, {"v": [7, 8, 9, 3], "symbol": [*"xyxy"], "day": ["3.2.24", "3.2.24", "4.2.24", "4.2.24"]})
        first, second = read_series(file, ("v",), options)
        assert (first.name, first.values.tolist(), second.values.tolist()) == ("x", [[7], [9]], [[8], [3]])
        assert first.times is not None
        assert continue_stamps(first.times, 1) == ["2024-02-05"]
        written(file, {"v": [7, 8], "day": ["3.2.24", "4.2.24"]})
        with pytest.raises(Refused, match=r"row 1: must have the column symbol of dataset\.series_column; choose from"):
            read_series(file, ("v",), options)

    def test_packed_with_a_mark_and_blanks(self, file: Path) -> None:
        text = "\ufeffvalue , series\r\n 1.5 ,a\r\n2,a\r\n\r\n"
        packed = file.with_suffix(".csv.gz")
        packed.write_bytes(gzip.compress(text.encode()))
        [one] = read_series(packed, ("value",))
        assert (one.name, one.values.tolist()) == ("a", [[1.5], [2.0]])

    def test_a_forecast_can_be_forecast_on(self, run: ws.Run, tmp_path: Path) -> None:
        table = forecast(run, "--horizon", "15", cwd=tmp_path)
        series = read_series(tmp_path / "ahead.csv", ("value",))
        assert [(one.name, one.start) for one in series] == [(str(number), 40) for number in range(7)]
        assert np.array_equal([one.values for one in series], array(table, 7))

    def test_a_short_context_is_forecast_with_a_warning(
        self, run: ws.Run, file: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        written(file, {"a": WAVE[:3], "b": WAVE[:3]})
        model = TrainedModel.load(run.config, (run.path / "model.safetensors").read_bytes())
        with caplog.at_level(logging.WARNING):
            model.forecast(read_series(file, ("value",)), 2)
        [line] = caplog.messages
        assert line == (
            f"{file}, column a: 3 time steps are few; the network takes 12 (training.washout) to find out where it is"
        )

    @pytest.mark.parametrize(
        ("stamps", "following"),
        [
            (["2024-01-01", "2024-01-02", "2024-01-03"], ["2024-01-04", "2024-01-05"]),
            (["2024-01-31", "2024-02-29", "2024-03-31"], ["2024-04-30", "2024-05-31"]),
            (["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"], ["2024-01-10", "2024-01-11"]),
            (["2024-01-01 00:00", "2024-01-01 13:00"], ["2024-01-02 02:00:00", "2024-01-02 15:00:00"]),
            (["30.01.2024", "31.01.2024", "01.02.2024"], ["2024-02-02", "2024-02-03"]),
            (
                ["2024-03-31 01:00+01:00", "2024-03-31 03:00+02:00", "2024-03-31 04:00+02:00"],
                ["2024-03-31 03:00:00+00:00", "2024-03-31 04:00:00+00:00"],
            ),
        ],
    )
    @pytest.mark.parametrize("column", ["time", "Day"])
    def test_time_stamps_go_on(self, file: Path, column: str, stamps: list[str], following: list[str]) -> None:
        written(file, {column: stamps, "a": WAVE[: len(stamps)], "b": WAVE[: len(stamps)]})
        series = read_series(file, ("value",))
        assert [one.name for one in series] == ["a", "b"]
        assert series[1].times is not None
        assert continue_stamps(series[1].times, 2) == following
        text = to_csv(continuations(("value",), series, [np.zeros((2, 1))] * 2)).decode().splitlines()
        assert text[:2] == ["series,step,time,value", f"a,{len(stamps)},{following[0]},0.0"]


STAMPS = "time,value\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n"
ENDS = "time,value\n2016-01-31,1\n2016-02-29,2\n2016-03-31,3\n2016-04-29,4\n2016-05-31,5\n"
STEPS = "step,value\n4,1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", " is empty; give a row of names, and a row for each step"),
        ("\n\n", " is empty; give a row of names, and a row for each step"),
        ("value\n", " must have a row for each step below its row of names, got none; give some"),
        ("0.5\n0.6\n", ", row 1: must name the columns, got numbers; put a row of names above them"),
        ("a,,b\n1,2,3\n", ", row 1, column 2: must have a printable name of its own, got none; rename it"),
        ("a,b,a\n1,2,3\n", ", row 1, column 3: must have a printable name of its own, got a; rename it"),
        ("a,b\n1,2\n3\n", " can't be read as CSV (Row #3: Expected 2 columns, got 1: 3); mend it"),
        ("a,b\n1,2\n\n5,6\n", ", row 3, column a: must hold a number, got an empty cell; mend the file, or fill it in"),
        ('a,"b\n', " must close each \" by another, got one that is left open; mend it"),
        ("a,b\n1,2\n3,\x1b\ty\n", ", row 3, column b: must be a finite number of at most 1e+15 in size, got ??y"),
        ("a,b\n1,2\n3,\n", ", row 3, column b: must hold a number, got an empty cell; mend the file, or"),
        ("a,b\n1,2\nnan,1\n", ", row 3, column a: must hold a number, got nan; mend the file, or fill it in"),
        ("a\n1e16\n", ", row 2, column a: must be a finite number of at most 1e+15 in size, got 1e16;"),
        ("a\n1_0\n", ", row 2, column a: must hold numbers, got 1_0; mend the file"),
        ("value,heat\n1,2\n", ", row 1: column heat is none of value, which the model forecasts, nor time, step or"),
        ("series,step,heat\na,1,2\n", ", row 1: column heat is none of value, which the model forecasts, nor"),
        ("series,step\na,1\n", ", row 1: must have a column of values, got series, step; add one"),
        ("step\n1\n", ", row 1: must have a column of values, got step; add one"),
        ("t,index,value\n1,1,1\n2,2,2\n", ", row 1: columns t, index mean the same; mend the file"),
        ("series,value\na,1\n,2\n", ", row 3, column series: must name a series, got an empty cell; name it"),
        (f"{STEPS}5,2\n7,3\n", ", row 4, column step: steps must be whole numbers that rise evenly, got 7;"),
        (f"{STEPS}4,2\n", ", row 3, column step: steps must be whole numbers that rise evenly, got 4;"),
        (f"{STEPS}5.5,2\n", ", row 3, column step: steps must be whole numbers that rise evenly, got 5.5;"),
        (f"{STEPS}inf,2\n", ", row 3, column step: steps must be whole numbers that rise evenly, got inf;"),
        (f"{STAMPS}2024-01-05,4\n", ", row 5, column time: time stamps must be evenly spaced, got 2024-01-05 after"),
        (ENDS, ", row 5, column time: time stamps must be evenly spaced, got 2016-04-29 after 2016-03-31"),
        (f"{STAMPS}2024-01-03,4\n", ", row 5, column time: time stamps must come in order, each once, got"),
        (f"{STAMPS}2024-01-01,4\n", ", row 5, column time: time stamps must come in order, each once, got"),
        (f"{STAMPS}tomorrow,4\n", ", row 5, column time: must be a date such as 2024-01-31 or 2024-01-31 13:00, got"),
        ("date,value\n01/02/2024,1\n02/02/2024,1\n", ", row 2, column date: must be a date such as 2024-01-31 or"),
        ("ds,value\n2024-01-01,1\n", ", row 2, column ds: must be two time stamps at least, which tell their"),
        ("Day,value\n2024-01-01,1\n2024-01-02,1\nx,1\n", ", row 4, column Day: must be a date such as 2024-01-31"),
    ],
)  # fmt: skip
def test_a_file_is_refused(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(Refused) as refusal:
        read_series(file, ("value",))
    assert str(refusal.value).startswith(f"{file}{message}")
    assert "\n" not in str(refusal.value)


def test_stamps_that_can_t_go_on_are_refused(file: Path) -> None:
    written(file, {"time": ["9998-01-01", "9999-01-01"], "value": WAVE[:2]})
    [one] = read_series(file, ("value",))
    with pytest.raises(Refused, match="horizon must end where time stamps can be written, got 5 steps after 9999-01"):
        continuations(("value",), [one], [np.zeros((5, 1))])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", None, "x.csv must be a file, but it is not there; give another"),
        (
            "x.csv",
            "völue\n1\n".encode("latin-1"),
            "x.csv, row 1: must be text in utf-8 (",
        ),
        (
            "x.csv.gz",
            gzip.compress(b"value\n1\n", mtime=0)[:-9],
            "x.csv.gz can't be unpacked by gzip (Compressed",
        ),
    ],
)
def test_what_is_no_csv_is_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused) as refusal:
        read_series(tmp_path / name, ("value",))
    assert str(refusal.value).startswith(f"{tmp_path}/{message}")


def test_a_missing_channel_is_refused(file: Path) -> None:
    written(file, {CHANNELS[0]: WAVE, CHANNELS[2]: WAVE})
    with pytest.raises(Refused, match="row 1: must have a column channel 1, a channel of the model, got none; add it"):
        read_series(file, CHANNELS)


MISTYPED = [
    ("", "forecast takes a run: its directory, MLflow's id, or latest; got none; name one"),
    ("RUN more", "forecast takes one place, got 2; call it for each"),
    ("RUN --horizon 2.5", "forecast: --horizon: invalid int value: '2.5'; wavesweep forecast --help shows"),
    ("RUN --horizon", "forecast: --horizon: expected one argument; wavesweep forecast --help shows what it takes"),
    ("RUN --hor 5", "forecast: unrecognized arguments: --hor"),
    ("RUN seed=1", "forecast takes tracking.* and runtime.* overrides, got seed=1; leave it out"),
    ("RUN runtime.dtype=float64", "runtime.dtype must stay float32, as the weights are, got float64; leave it out"),
    ("RUN runtime.threads=0", "runtime.threads must be at least 1, got 0"),
    ("RUN --format=xlsx", "forecast: --format: invalid choice: 'xlsx' (choose from"),
    ("RUN --format=own", "--format=own writes as the run's own file is written, but it has read none; leave it out"),
    ("RUN --format=own --origins", "--origins writes columns that no file of the user's has, so it takes no"),
    ("RUN --output x.txt", "--output must be a file called .csv, got x.txt; rename it"),
    ("RUN --output there.csv", "--output must name what is not there yet, but there.csv is; move it away or name"),
    ("RUN --output drawn.csv", "--output must name what is not there yet, but drawn.png is; move it away or name"),
    ("RUN --data there.csv", "there.csv is empty; give a row of names, and a row for each step"),
    ("RUN --data a=b/x.csv", "a=b/x.csv must be a file, but it is not there; give another"),
    ("RUN --data .", ". must be a file, got a folder, a pipe or a device; give another"),
    ("nowhere/x", "nowhere/x must be a run's directory or id, or latest, got none of them; name another"),
    ("latest", "latest names the run begun last below outputs, but there is none; name another"),
]


def mistyped(arguments: str, run: ws.Run, place: Path) -> list[str]:
    """Make what stands in a place; return what is typed there."""
    for name in ("there.csv", "drawn.png"):
        (place / name).touch()
    return ["forecast", *(str(run.path) if word == "RUN" else word for word in shlex.split(arguments))]


@pytest.mark.parametrize(("arguments", "message"), MISTYPED)
def test_a_command_line_is_refused(run: ws.Run, tmp_path: Path, arguments: str, message: str) -> None:
    done = call(*mistyped(arguments, run, tmp_path), cwd=tmp_path)
    assert done.stderr.startswith(f"wavesweep: {message}")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drawn.png", "there.csv"]


@pytest.mark.parametrize("name", ["late.csv", "late.png"])
def test_what_appears_while_it_forecasts_stays(
    run: ws.Run, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text("another's")
    monkeypatch.setattr("wavesweep.cli.forecast.check_free", lambda _: None)
    done = call("forecast", str(run.path), "--output", "late.csv", cwd=tmp_path)
    message = f"wavesweep: --output must name what is not there yet, but {name} is; move it away or name another\n"
    assert (done.returncode, done.stderr) == (2, message)
    assert (tmp_path / name).read_text() == "another's"
    assert {path.name for path in tmp_path.iterdir()} <= {"late.csv", name}


def test_to_refuse_one_nothing_heavy_is_imported(run: ws.Run, tmp_path: Path) -> None:
    typed = [(tmp_path, mistyped(arguments, run, tmp_path)) for arguments, _ in MISTYPED]
    assert {*imported_by(typed)} == {""}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no weights, since its status is finished; name another run"),
        (b"no tensors", "model.safetensors is damaged, or not of this configuration (its header must"),
    ],
)
def test_weights_that_can_t_be_used_are_refused(run: ws.Run, tmp_path: Path, content: bytes, message: str) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    (tmp_path / "run" / "model.safetensors").write_bytes(content)
    done = call("forecast", "run", cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("series", "horizon", "message"),
    [
        (Observed("a", WAVE[:0, None]), 1, "series a: context must have at least 1 time steps, got 0; give more"),
        (Observed("a", WAVE[:, None] * np.nan), 1, "series a: values must be finite and at most 1e.15 in size"),
        (Observed("a", WAVE[:, None]), 0, "horizon must be at least 1, got 0"),
        (
            Observed("a", WAVE[:, None]),
            10**8,
            r"horizon must be at most 10000000, which makes 1e.07 values, got",
        ),
    ],
)
def test_what_can_t_be_forecast_is_refused(run: ws.Run, series: Observed, horizon: int, message: str) -> None:
    model = TrainedModel.load(run.config, (run.path / "model.safetensors").read_bytes())
    with pytest.raises(Refused, match=message):
        model.forecast([series], horizon)


class TestServed:
    @pytest.fixture
    def model(self, run: ws.Run) -> PyFuncModel:
        return load_model(str(run.path / "model"))

    def test_one_series_is_a_table_as_before(self, run: ws.Run, model: PyFuncModel) -> None:
        answer = model.predict(pd.DataFrame({"value": WAVE}), params={"horizon": 9})
        assert [*answer] == ["value"]
        assert np.array_equal(answer["value"], run.forecast(WAVE, 9)[0, :, 0])

    @pytest.mark.parametrize("names", [("b", "a"), (7, 3), (7, "a")])
    def test_several_are_the_command_s_to_the_last_bit(
        self, run: ws.Run, model: PyFuncModel, names: tuple[object, object], file: Path, tmp_path: Path
    ) -> None:
        """Of unequal lengths, their rows in turns; in the order in which they come first."""
        order = [0] + [1, 0] * 20 + [0] * 19
        table = pd.DataFrame({"series": [names[one] for one in order], "value": WAVE})
        answer = model.predict(table, params={"horizon": 4})
        assert answer["series"].tolist() == [names[0]] * 4 + [names[1]] * 4
        table.to_csv(file, index=False)
        commanded = forecast(run, "--data", "data.csv", "--horizon", "4", cwd=tmp_path)
        assert commanded["series"].astype(str).tolist() == answer["series"].astype(str).tolist()
        assert np.array_equal(commanded["value"], answer["value"])

    def test_a_series_without_a_name_is_refused(self, model: PyFuncModel) -> None:
        with pytest.raises(ValueError, match="series must name the series of each row"):
            model.predict(pd.DataFrame({"series": ["a", None], "value": WAVE[:2]}))

    def test_a_model_of_before_is_served(self, run: ws.Run, tmp_path: Path) -> None:
        """Its signature knows no `series`."""
        shutil.copytree(run.path / "model", tmp_path / "model")
        described = tmp_path / "model" / "MLmodel"
        stored = yaml.safe_load(described.read_text())
        for side in ("inputs", "outputs"):
            stored["signature"][side] = '[{"type": "double", "name": "value", "required": true}]'
        described.write_text(yaml.safe_dump(stored))
        answer = load_model(str(tmp_path / "model")).predict(pd.DataFrame({"value": WAVE}))
        assert np.array_equal(answer["value"], run.forecast(WAVE)[0, :, 0])
