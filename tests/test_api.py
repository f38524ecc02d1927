"""What `import wavesweep` offers."""

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from threading import Thread

import hydra
import numpy as np
import pandas as pd
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

import wavesweep as ws
from hydra_queue_sweeper.base.hydra_releases import AS_IN_1_3
from tests.support import following
from tests.support.commands import SMALL, Command, call, run_process
from tests.support.parts import go
from tests.support.records import on_disk
from wavesweep.evaluation.scores import errors
from wavesweep.files import reading
from wavesweep.files.parsing import read_table
from wavesweep.files.table import Options, Table
from wavesweep.tracking import follower_handle
from wavesweep.workspace.directory import RunDirectory

QUICK = (*SMALL, "model=tiny", "runtime.device=cpu")
LONG = (*QUICK, "training.epochs=150", "training.refine_epochs=0")
SWEEP = ("-m", *QUICK, "model=tiny,linear", "seed=1,0", "hydra/launcher=basic")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def run(place: Path) -> ws.Run:
    """Return a run that this process has made, which sits elsewhere."""
    return run_in(place, *QUICK)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the command has made a sweep."""
    place = tmp_path_factory.mktemp("sweep")
    assert call(*SWEEP, cwd=place).returncode == 0
    return place


def run_in(place: Path, *overrides: str, directory: Path | None = None) -> ws.Run:
    """Run as a notebook does whose working directory is there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        return ws.run(ws.compose(*overrides), directory)


@contextmanager
def striking(path: Path) -> Iterator[None]:
    """Press Ctrl-C once a run in that directory has recorded three epochs."""

    def strike() -> None:
        while len(RunDirectory(path).read_metrics()) < 3:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    striker = Thread(target=strike, daemon=True)
    striker.start()
    yield
    striker.join()


class TestNames:
    def test_these_are_public(self) -> None:
        assert ws.__all__ == [
            "Advanced", "Config", "Drawable", "Finished", "Interrupted", "Kept", "Phase", "Pruned", "Recorded",
            "Refused", "Reproduction", "Run", "Started", "Sweep", "compose", "iterate", "load_data", "open_run",
            "open_sweep", "report", "run", "sweep",
        ]  # fmt: skip
        assert set(ws.__all__) <= set(dir(ws))

    @pytest.mark.parametrize("name", ws.__all__)
    def test_each_is_there(self, name: str) -> None:
        assert getattr(ws, name).__name__ == name

    def test_the_version_is_that_of_the_package(self) -> None:
        assert ws.__version__ == version("wavesweep")

    def test_others_are_not(self) -> None:
        with pytest.raises(AttributeError, match="module 'wavesweep' has no attribute 'compos'"):
            ws.compos  # type: ignore[attr-defined]  # noqa: B018

    def test_importing_the_package_imports_nothing_else(self) -> None:
        script = "import sys; before = {*sys.modules}; import wavesweep; dir(wavesweep); print({*sys.modules} - before)"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "{'wavesweep'}"

    def test_its_types_are_for_others_too(self) -> None:
        assert Path(ws.__file__).with_name("py.typed").exists()


def test_compose_works_beside_another_hydra() -> None:
    with hydra.initialize_config_module("tests", **AS_IN_1_3):
        theirs = GlobalHydra.instance().hydra
        assert ws.compose("seed=4").seed == 4
        with pytest.raises(ws.Refused):
            ws.compose("seed=none")
        assert GlobalHydra.instance().hydra is theirs is not None


class TestRun:
    @pytest.mark.slow
    def test_it_is_the_command_s_to_the_last_bit(self, tmp_path: Path) -> None:
        """The second run of a process too, whatever was computed before it."""
        overrides = (*QUICK, "seed=3", "model.dropout=0.1", "dataset=cos_sin_squared")
        assert run_process(*overrides, f"hydra.run.dir={tmp_path}/typed", cwd=tmp_path).returncode == 0
        torch.manual_seed(99)
        for name in ("first", "second"):
            run_in(tmp_path, *overrides, directory=tmp_path / name)
        typed, first, second = (on_disk(tmp_path / name) for name in ("typed", "first", "second"))
        assert first == second == typed
        ours, theirs = (RunDirectory(tmp_path / name).read_info() for name in ("first", "typed"))
        assert ours.choices == theirs.choices
        assert ws.compose(*ours.overrides) == ws.compose(*theirs.overrides)

    def test_it_gets_a_directory_like_the_command_s(self, run: ws.Run, place: Path) -> None:
        assert run.path.parent == place / "outputs" / "runs"
        assert [path.name for path in place.iterdir()] == ["outputs"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_[0-9a-f]{4}", run.path.name)

    def test_it_is_found_again(self, run: ws.Run) -> None:
        assert ws.open_run(str(run.path)) == run

    def test_it_leaves_the_process_as_it_was(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(follower_handle, "open_process", following.open_process)  # in a process of its own, as ever
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
        torch.manual_seed(5)
        before = torch.get_num_threads()
        torch.set_num_threads(2)

        def state() -> tuple[object, ...]:
            handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
            return Path.cwd(), dict(os.environ), [*warnings.filters], torch.get_num_threads(), handlers

        try:
            was, random = state(), torch.get_rng_state()
            run_in(tmp_path, *QUICK).forecast()
            assert state() == was
            assert torch.equal(torch.get_rng_state(), random)
        finally:
            torch.set_num_threads(before)

    def test_it_prints_nothing(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(logging.root, "handlers", [])  # those of a command that ran in this process
        run_in(tmp_path, *QUICK)
        assert capfd.readouterr() == ("", "")

    def test_a_file_is_parsed_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        parsed: list[Path] = []

        def read(path: Path, content: bytes, options: Options) -> Table:
            parsed.append(path)
            return read_table(path, content, options)

        monkeypatch.setattr(reading, "read_table", read)
        file = tmp_path / "noise.csv"
        pd.DataFrame(np.random.default_rng(0).normal(size=(90, 2)), columns=["a", "b"]).to_csv(file, index=False)
        short = ("model.hidden_sizes=[5]", "training.epochs=1", "runtime.device=cpu")
        run_in(tmp_path, "dataset=csv", f"dataset.path={file}", *short)
        assert parsed == [file]

    def test_what_can_t_be_run_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(ws.Refused, match="model=pointwise sees the time alone"):
            run_in(tmp_path, *QUICK, "model=pointwise")
        config = ws.compose(*QUICK)
        with pytest.raises(ws.Refused, match="seed must be at least 0, got -1"):
            ws.run(config.model_copy(update={"seed": -1}), tmp_path / "run")
        assert list(tmp_path.iterdir()) == []

    def test_a_directory_takes_one(self, run: ws.Run, place: Path) -> None:
        before = on_disk(run.path)
        with pytest.raises(ws.Refused, match="must be new or empty"):
            run_in(place, *QUICK, directory=run.path)
        assert on_disk(run.path) == before

    def test_one_that_diverges_says_so(self, tmp_path: Path) -> None:
        diverged = run_in(tmp_path, *QUICK, "optimizer=sgd", "optimizer.lr=1e30", "training.refine_epochs=0")
        assert (diverged.status, diverged.result.diverged) == ("diverged", True)
        assert np.isnan(diverged.result.objective)
        assert np.isnan(diverged.metrics["train/loss"]).any()


@pytest.mark.slow
class TestCtrlC:
    @pytest.fixture(autouse=True)
    def answered_by_python(self) -> Iterator[None]:
        """Answer Ctrl-C as in a terminal: what a shell starts in the background inherits that it's ignored."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)

    def test_it_interrupts_as_usual_and_the_run_can_be_resumed(self, tmp_path: Path, wavesweep: Command) -> None:
        handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        cut = tmp_path / "cut"

        with striking(cut), pytest.raises(KeyboardInterrupt):
            run_in(tmp_path, *LONG, directory=cut)
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
        run = ws.open_run(cut)
        assert run.status == "killed"
        assert 3 <= len(run.metrics) < 150
        with pytest.raises(ws.Refused, match=r"has no result, since its status is killed; .* wavesweep resume "):
            _ = run.result
        with pytest.raises(ws.Refused, match="has no weights"):
            run.forecast()

        whole = run_in(tmp_path, *LONG, directory=tmp_path / "whole")  # the signal is forgotten
        assert wavesweep("resume", str(cut), pictures=True).returncode == 0
        assert on_disk(cut) == on_disk(whole.path)

    def test_a_program_with_a_handler_of_its_own_gets_the_signal(self, tmp_path: Path) -> None:
        seen: list[int] = []
        before = signal.signal(signal.SIGINT, lambda signum, _: seen.append(signum))
        try:
            with striking(tmp_path / "cut"), pytest.raises(ws.Interrupted, match="SIGINT"):
                run_in(tmp_path, *LONG, directory=tmp_path / "cut")
        finally:
            signal.signal(signal.SIGINT, before)
        assert seen == [signal.SIGINT]

    def test_another_thread_can_run(self, tmp_path: Path) -> None:
        runs: list[ws.Run] = []
        thread = Thread(target=lambda: runs.append(run_in(tmp_path, *QUICK)))
        thread.start()
        thread.join()
        assert runs[0].status == "finished"


class TestRecords:
    def test_metrics_are_those_on_disk(self, run: ws.Run) -> None:
        rows = [row for row in RunDirectory(run.path).read_metrics() if "epoch" in row]
        assert [*run.metrics.index] == [1, 2, 3, 4]
        assert run.metrics.index.name == "epoch"
        assert set(run.metrics) == {
            "train/loss",
            "val/one_step_mse",
            "val/closed_loop_mse",
            "val/closed_loop_scaled_mse",
        }
        assert run.metrics.to_dict("records") == [{key: row[key] for key in run.metrics} for row in rows]

    def test_before_the_first_epoch_there_are_none(self, run: ws.Run, tmp_path: Path) -> None:
        for name in ("run.json", "config.yaml"):
            shutil.copy(run.path / name, tmp_path)
        assert ws.open_run(tmp_path).metrics.empty
        assert ws.open_run(tmp_path).plots == {}

    def test_the_result_is_that_of_the_experiment(self, tmp_path: Path, directory: RunDirectory) -> None:
        from wavesweep.experiment import preparation

        overrides = (*QUICK, "training.refine_epochs=0", "optimizer.lr=0.3")  # of which it gets worse
        prepared = preparation.prepare(ws.compose(*overrides))
        result = go(prepared.config, directory, data=prepared.data)
        ours = run_in(tmp_path, *overrides).result
        assert (ours.diverged, ours.objective, ours.epoch) == (result.diverged, result.objective, result.epoch)
        assert ours.epoch < 3, "else nothing shows whose metrics they are"
        seconds = {"time/train_seconds": result.metrics["time/train_seconds"]}
        assert ours.metrics | seconds == result.metrics

    def test_a_run_that_kept_its_start_has_a_result(self, tmp_path: Path) -> None:
        noise = np.random.default_rng(0).normal(size=300)
        (tmp_path / "noise.csv").write_text("\n".join(["load", *map(str, noise)]))
        sizes = ("model.hidden_sizes=[3]", "model.members=2", "training.epochs=2", "forecast.horizon=3")
        ours = run_in(tmp_path, "dataset=csv", "dataset.path=noise.csv", *sizes, "tracking.followers=[]")
        result = ours.result
        assert (result.epoch, result.diverged) == (0, False)
        assert result.objective == result.metrics["objective"] == result.metrics["val/kept_scaled_mse"]
        lines = (ours.path / "metrics.jsonl").read_text().splitlines(keepends=True)
        (ours.path / "metrics.jsonl").write_text("".join(lines[:-1]))
        with pytest.raises(ws.Refused, match="it lacks what is measured once"):
            _ = ours.result

    def test_the_configuration_is_complete(self, run: ws.Run) -> None:
        assert run.config.forecast.horizon == 40
        assert run.config.runtime.device == "cpu"

    def test_pictures_are_found_by_name(self, run: ws.Run) -> None:
        assert {"forecast", "learning_curve", "drift", "forecast_epoch_001"} <= run.plots.keys()
        assert all(path.read_bytes().startswith(b"\x89PNG") for path in run.plots.values())

    def test_what_is_no_run_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ws.Refused, match="must be a run's directory, but holds no"):
            ws.open_run(tmp_path)
        with pytest.raises(ws.Refused, match=r"run\.json: No such file or directory; name a run's directory"):
            _ = ws.Run(tmp_path).status

    @pytest.mark.parametrize("place", ["\0", "a\0b", "x" * 300, "x/" * 3000, b"x", 5])
    def test_what_names_no_directory_is_refused_in_a_line(self, place: object) -> None:
        config = ws.compose(*QUICK)
        for take in (ws.open_run, ws.open_sweep, lambda one: ws.run(config, one)):
            with pytest.raises(ws.Refused) as refusal:
                take(place)  # type: ignore[arg-type]
            assert "\n" not in str(refusal.value)

    def test_a_name_of_two_lines_is_refused_in_one(self) -> None:
        for take in (ws.open_run, ws.open_sweep):
            with pytest.raises(ws.Refused, match=r"^a\\nb must be a ") as refusal:
                take("a\nb")
            assert "\n" not in str(refusal.value)

    @pytest.mark.parametrize("rtol", ["x", None, 1j, float("nan")])
    def test_only_a_number_bounds_a_difference(self, run: ws.Run, rtol: object) -> None:
        with pytest.raises(ws.Refused, match="rtol must be from 0 to 1, got "):
            run.reproduce(rtol)  # type: ignore[arg-type]

    @pytest.mark.parametrize("config", [None, "seed=1", {}])
    def test_what_is_no_configuration_is_refused(self, config: object) -> None:
        for take in (ws.load_data, ws.run, ws.iterate):
            with pytest.raises(ws.Refused, match="configuration, as compose gives it, got "):
                take(config)  # type: ignore[arg-type]

    def test_a_pattern_that_is_too_long_for_a_name_matches_no_file(self) -> None:
        with pytest.raises(ws.Refused, match="must match a file, but none is there"):
            ws.load_data(ws.compose("dataset=csv", f"dataset.path='{'[' * 300}'"))


class TestForecast:
    def test_by_default_it_continues_all_series_beyond_their_end(self, run: ws.Run) -> None:
        observed, ahead = ws.load_data(run.config).division.source.load(40)
        assert np.array_equal(run.forecast(), run.forecast(observed))
        assert run.forecast().shape == ahead.shape == (7, 40, 1)

    def test_of_series_that_were_tested_on_it_is_what_the_run_was_scored_on(self, run: ws.Run) -> None:
        data = ws.load_data(run.config)
        assert data.test
        score = errors(run.forecast(data.test.context), data.test, data.units).mean
        assert score == run.result.metrics["test/closed_loop_scaled_mse"]

    def test_a_shorter_one_is_the_beginning_of_a_longer_one(self, run: ws.Run) -> None:
        longest = run.forecast(horizon=60)
        for horizon in (1, 2, 7, 59):
            forecast = run.forecast(horizon=horizon)
            assert forecast.shape == (7, horizon, 1)
            np.testing.assert_allclose(forecast, longest[:, :horizon], rtol=1e-4, atol=1e-5)

    def test_it_takes_a_channel_in_three_shapes(self, run: ws.Run) -> None:
        values = np.sin(np.arange(14).reshape(2, 7, 1))
        whole = run.forecast(values, horizon=3)
        assert (whole.shape, whole.dtype) == ((2, 3, 1), np.float64)
        assert np.array_equal(run.forecast(values[:, :, 0], horizon=3), whole)
        assert np.array_equal(run.forecast(values[:1, :, 0], 3), run.forecast([*values[0, :, 0]], 3))
        np.testing.assert_allclose(run.forecast(values[1, :, 0], horizon=3), whole[1:], rtol=1e-4, atol=1e-5)

    def test_it_reads_configuration_and_weights_alone(self, run: ws.Run, tmp_path: Path) -> None:
        for name in ("config.yaml", "model.safetensors"):
            shutil.copy(run.path / name, tmp_path)
        assert np.array_equal(ws.Run(tmp_path).forecast(), run.forecast())

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (
                np.ones((2, 7, 3)),
                r"must be \(series, time, channel\), \(series, time\) or \(time,\), got the shape \(2, 7, 3\)",
            ),
            (np.ones((0, 7)), r"got the shape \(0, 7\)"),
            (np.ones((7, 1)), "values are 7 series of a single step"),
            (3.0, r"got the shape \(\)"),
            ([0.1, float("nan"), 0.3], "must be finite"),
            ([0.1, None, 0.3], "must be finite"),
            ([], "context must have at least 1 time steps, got 0"),
            (np.ma.array([0.1, 0.2, 0.3], mask=[False, True, False]), "must be finite"),
            ([np.ma.array([0.1, 0.2], mask=[False, True]), np.ma.array([0.1, 0.2])], "must be finite"),
            ([0.1, pd.NaT], "values must be real numbers, got list "),
            ([1 + 2j, 3], "values must be real numbers, got complex128; give a list or an array of numbers"),
            (torch.tensor([1 + 2j, 3]), "values must be real numbers, got complex64"),
            (np.array([1 + 2j, 3], dtype=object), r"values must be real numbers, got ndarray \(float\(\) argument"),
            ("one", "values must be real numbers, got str"),
            (["1", "2"], "values must be real numbers, got str"),
            ([b"1", b"2"], "values must be real numbers, got bytes"),
            (pd.Series([1, "2"], dtype=object), "values must be real numbers, got object"),
            ([[1, 2], [3]], r"values must be real numbers, got list \(setting an array element with a sequence"),
            ((value for value in [0.1, 0.2]), "values must be real numbers, got generator"),
            ({0.1, 0.2}, "values must be real numbers, got set"),
            (np.arange("2024-01-01", "2024-01-09", dtype="M8[D]"), r"values must be real numbers, got datetime64\[D\]"),
            (pd.to_timedelta([1, 2, 4], unit="h"), "values must be real numbers, got timedelta64"),
            (np.zeros(3, dtype=[("a", float)]), "values must be real numbers, got void"),
            (torch.ones(7, requires_grad=True), r"values must be real numbers, got Tensor \(.*Use tensor.detach"),
            ([10**400, 1], r"values must be real numbers, got list \(int too large"),
            (np.full(3, np.longdouble("1e4000")), "must be finite"),
            (
                pd.DataFrame({"value": pd.period_range("2024", periods=3, freq="D")}),
                "must hold numbers, got 2024-01-01",
            ),
            (pd.DataFrame({"value": [1j, 2, 3]}), "data can't be read as a table"),
            (pd.DataFrame(np.ones((5, 2)), columns=["value", "value"]), "data can't be read as a table"),
            (pd.DataFrame({"value": ["high", "low"]}), "the table, row 2, column value: must hold numbers, got high"),
        ],
    )
    def test_it_refuses(self, run: ws.Run, values: object, message: str) -> None:
        with pytest.raises(ws.Refused, match=message) as refusal:
            run.forecast(values)  # type: ignore[arg-type]
        assert "\n" not in str(refusal.value)

    def test_what_masks_nothing_is_taken_as_it_is(self, run: ws.Run) -> None:
        values = np.sin(np.arange(14))
        assert np.array_equal(run.forecast(np.ma.array(values)), run.forecast(values))

    def test_it_refuses_a_context_that_the_network_can_t_begin_with(self, tmp_path: Path) -> None:
        run = run_in(tmp_path, *QUICK, "model=linear", "model.order=5")
        assert run.forecast(np.ones(5), horizon=2).shape == (1, 2, 1)
        with pytest.raises(ValueError, match="context must have at least 5 time steps, got 4"):
            run.forecast(np.ones(4))

    def test_it_refuses_a_horizon_that_is_none(self, run: ws.Run) -> None:
        with pytest.raises(ValueError, match="horizon must be at least 1, got 0"):
            run.forecast(horizon=0)
        for horizon in (2.5, "3", float("nan"), [3], np.array([3])):
            with pytest.raises(ws.Refused, match="horizon must be a whole number, got "):
                run.forecast(horizon=horizon)  # type: ignore[arg-type]
        assert run.forecast(horizon=np.int64(3)).shape == (7, 3, 1)  # type: ignore[arg-type]

    @pytest.mark.parametrize("future", ["text", [1], np.ones(3)])
    def test_it_refuses_a_future_that_is_no_table(self, run: ws.Run, future: object) -> None:
        with pytest.raises(ws.Refused, match="future must be a pandas table, got "):
            run.forecast(pd.DataFrame({"value": [1.0, 2.0]}), future=future)  # type: ignore[arg-type]


class TestSweep:
    def test_its_leaderboard_is_the_file(self, sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(sweep)
        opened = ws.open_sweep("latest")
        assert opened.path.parent == sweep / "outputs" / "sweeps"
        assert ws.open_sweep(opened.path) == opened == ws.open_sweep(opened.path.name)
        on_file = pd.read_csv(opened.path / "leaderboard.csv")
        pd.testing.assert_frame_equal(opened.leaderboard(), on_file)
        assert [*opened.leaderboard()["rank"]] == [1, 2]

    def test_its_runs_are_those_that_have_begun(self, sweep: Path, tmp_path: Path) -> None:
        [path] = (sweep / "outputs" / "sweeps").iterdir()
        runs = ws.open_sweep(path).runs()
        assert [run.path for run in runs] == [path / str(number) for number in range(4)]
        assert [(run.config.model.kind, run.config.seed) for run in runs] == [
            ("lstm", 1), ("lstm", 0), ("linear", 1), ("linear", 0)
        ]  # fmt: skip
        assert all(run.forecast().shape == (7, 40, 1) for run in runs)
        shutil.copytree(path, tmp_path / "copy")
        shutil.rmtree(tmp_path / "copy" / "1")
        assert [run.path.name for run in ws.open_sweep(tmp_path / "copy").runs()] == ["0", "2", "3"]

    def test_what_is_no_sweep_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ws.Refused, match="must be a sweep's directory or id, or latest, got none"):
            ws.open_sweep(tmp_path)
