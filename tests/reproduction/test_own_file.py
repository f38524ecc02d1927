"""A run of the user's file, again, where the file has changed or gone."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient

from tests.support.commands import call
from wavesweep.config.tag_names import CONFIG_HASH
from wavesweep.files.copies import copy_of, give_copy_to, keep, keep_copy_of
from wavesweep.workspace.directory import RunDirectory

FILE = "day,sales,price\n" + "".join(
    f"2024-{1 + step // 28:02}-{1 + step % 28:02},{20 + step % 7},{1.5 + 0.25 * (step % 3)}\n" for step in range(84)
)
OPTIONS = ("dataset=csv", "dataset.path=sales.csv", "dataset.missing=interpolate", "model.hidden_sizes=[5]")
NAMES = ("config.yaml", "data")
TINY = (*OPTIONS, "training.epochs=3", "training.refine_epochs=1", "runtime.device=cpu")


def begin(place: Path) -> Path:
    """Return a directory with a file and a run of it, `outputs/runs/one`."""
    (place / "sales.csv").write_text(FILE)
    done = call(*TINY, "hydra.run.dir=outputs/runs/one", cwd=place)
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return such a directory, which the tests leave as it is."""
    return begin(tmp_path_factory.mktemp("place"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return such a directory, to be changed: no copy, whose store would name the original's artifacts."""
    return begin(tmp_path)


def reproduced(place: Path, run: str) -> str:
    """Reproduce a run; return what was said about the file."""
    done = call("reproduce", run, cwd=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("equal to the last bit"), done.stdout
    return done.stderr


def test_a_run_keeps_the_file_and_what_it_is(original: Path) -> None:
    run = RunDirectory(original / "outputs" / "runs" / "one")
    source = yaml.safe_load(run.config.read_text())["dataset"]
    assert (source["value_columns"], source["time_column"]) == (["sales", "price"], "day")
    copy = original / copy_of("sales.csv", source["digest"])
    assert copy.read_text() == (run.data / "sales.csv").read_text() == FILE
    [artifact] = (original / "outputs" / "mlartifacts").glob("*/artifacts/data/sales.csv")
    assert artifact.read_text() == FILE


@pytest.mark.slow
@pytest.mark.parametrize("without", [(), ("outputs/data",), ("outputs/data", "outputs/runs/one")])
@pytest.mark.parametrize("change", ["changed", "gone"])
def test_it_is_reproduced_from_a_copy(place: Path, change: str, without: tuple[str, ...]) -> None:
    """Of all runs, of its own directory, or of MLflow alone."""
    [artifact] = (place / "outputs" / "mlartifacts").glob("*/artifacts/data/sales.csv")
    if change == "gone":
        (place / "sales.csv").unlink()
    else:
        (place / "sales.csv").write_text(FILE.replace("2024-01-02,21", "2024-01-02,22"))
    for folder in without:
        shutil.rmtree(place / folder)
    run = artifact.parents[2].name if len(without) > 1 else "outputs/runs/one"
    said = reproduced(place, run)
    assert f"{'but has changed' if change == 'changed' else 'it is not there'}; its copy outputs/data/" in said


@pytest.mark.slow
def test_where_no_copy_is_left_the_file_is_named_as_the_cause(place: Path) -> None:
    (place / "sales.csv").write_text(FILE.replace("2024-01-02,21", "2024-01-02,22"))
    shutil.rmtree(place / "outputs" / "data")
    shutil.rmtree(place / "outputs" / "runs" / "one" / "data")
    done = call("reproduce", "outputs/runs/one", cwd=place)
    assert done.returncode == 2
    assert done.stderr.startswith("wavesweep: sales.csv must be the file that was read first")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_run_is_delivered_without_its_file(place: Path) -> None:
    """What was recorded does not hang on what became of the data."""
    (place / "sales.csv").unlink()
    for gone in ("mlartifacts", "data", "runs/one/data"):
        shutil.rmtree(place / "outputs" / gone)
    (place / "outputs" / "mlflow.db").unlink()
    done = call("sync", cwd=place)
    assert (done.returncode, done.stdout) == (0, "1 delivered\n"), done.stderr


@pytest.mark.slow
def test_a_variation_takes_the_same_data_unless_another_file_is_given(place: Path) -> None:
    (place / "sales.csv").write_text(FILE.replace("2024-01-02,21", "2024-01-02,22"))
    (place / "other.csv").write_text(FILE.replace("2024-01-02,21", "2024-01-02,99"))
    digests = {}
    for overrides in (("seed=1",), ("seed=1", "dataset.path=other.csv")):
        before = {*(place / "outputs" / "runs").iterdir()}
        done = call("reproduce", "outputs/runs/one", *overrides, cwd=place)
        assert done.returncode == 0, done.stderr
        [path] = {*(place / "outputs" / "runs").iterdir()} - before
        digests[overrides] = RunDirectory(path)
    first = RunDirectory(place / "outputs" / "runs" / "one")
    same, other = digests.values()
    assert same.read_config()["dataset"]["digest"] == first.read_config()["dataset"]["digest"]
    assert other.read_config()["dataset"]["digest"] != first.read_config()["dataset"]["digest"]
    assert same.read_info().tags[CONFIG_HASH] == first.read_info().tags[CONFIG_HASH], "replicates"


@pytest.mark.slow
def test_a_job_of_a_sweep_is_reproduced_by_mlflow_alone(place: Path) -> None:
    """Its sweep has the file, once."""
    done = call("-m", *TINY, "seed=1,2", "hydra.sweep.dir=outputs/sweeps/s", cwd=place)
    assert done.returncode == 0, done.stderr
    artifacts = place / "outputs" / "mlartifacts"
    configs, files = ({path.parents[1].name for path in artifacts.glob(f"*/artifacts/{what}")} for what in NAMES)
    jobs = configs - files
    assert (len(configs), len(files), len(jobs)) == (3, 2, 2), "two jobs; the other run and the sweep have the file"
    shutil.rmtree(place / "outputs" / "data")
    shutil.rmtree(place / "outputs" / "sweeps")
    (place / "sales.csv").unlink()
    assert "its copy outputs/data/" in reproduced(place, min(jobs))


def test_the_file_of_all_origins_holds_what_the_run_was_scored_on(original: Path) -> None:
    done = call("forecast", "outputs/runs/one", "--origins", "--output", "all.csv", cwd=original)
    assert done.returncode == 0, done.stderr
    rows = np.genfromtxt(original / "all.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    run = RunDirectory(original / "outputs" / "runs" / "one")
    once = run.read_scores()[0]
    mse = np.mean([(rows[name] - rows[f"{name}_true"]) ** 2 for name in ("sales", "price")])
    assert mse == pytest.approx(once["test/closed_loop_mse"])
    assert rows["time"][-1] == FILE.splitlines()[-1].partition(",")[0]
    assert done.stdout.startswith(f"{len(np.unique(rows['origin']))} forecasts of outputs/runs/one")
    (original / "all.csv").unlink()
    for wrong in (("--data", "sales.csv"), ("--horizon", "3")):
        assert call("forecast", "outputs/runs/one", "--origins", *wrong, cwd=original).returncode == 2


def test_mlflow_has_no_digits_of_series_with_noise(original: Path) -> None:
    client = MlflowClient(f"sqlite:///{original / 'outputs' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("wavesweep")
    assert experiment
    [run] = client.search_runs([experiment.experiment_id])
    assert {"objective", "test/mape"} < run.data.metrics.keys()
    assert not {"digits", "test/digits"} & run.data.metrics.keys()


def test_a_forecast_is_written_as_the_file_is(place: Path) -> None:
    (place / "sales.csv").write_text(FILE.replace("2024-01-02,21", "2024-01-02,22"))
    done = call("forecast", "outputs/runs/one", "--output", "own.csv", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "forecast: own.csv, written as sales.csv; --format=plain has all digits\n" in done.stdout
    assert done.stderr.count("its copy") == 1
    assert call("forecast", "outputs/runs/one", "--format=plain", "--output", "plain.csv", cwd=place).returncode == 0
    own, plain = (pd.read_csv(place / name) for name in ("own.csv", "plain.csv"))
    assert [*own] == ["day", "sales", "price", "sales_lower", "sales_upper", "price_lower", "price_upper"]
    assert [*own.day] == [*plain.time]
    assert [*plain][:4] == ["series", "step", "time", "sales"]
    for channel, decimals in {"sales": 1, "price": 3}.items():  # of 20 and of 1.75
        columns = [channel, f"{channel}_lower", f"{channel}_upper"]
        assert np.array_equal(own[columns], plain[columns].round(decimals))
        assert not np.array_equal(own[columns], plain[columns])


def test_a_file_that_is_brought_goes_on_as_it_is_written(original: Path, tmp_path: Path) -> None:
    rows = [f"1.5,{1 + step}/2/2024,{20 + step % 7}.25" for step in range(28)]
    (tmp_path / "new.csv").write_text("\n".join(["price,day,sales", *rows]))
    brought = ("--data", str(tmp_path / "new.csv"), "--horizon=2", "--output", str(tmp_path / "ahead.csv"))
    done = call("forecast", "outputs/runs/one", *brought, cwd=original)
    assert done.returncode == 0, done.stderr
    ahead = (tmp_path / "ahead.csv").read_text().splitlines()
    assert ahead[0].startswith("price,day,sales,")
    assert [row.split(",")[1] for row in ahead[1:]] == ["29/2/2024", "1/3/2024"]


def test_copies_are_of_small_files_whose_content_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("t,x\n1,2\n")
    Path("run").mkdir()
    assert keep("a.csv", "0" * 64) is None, "it has another digest"
    give_copy_to(Path("run/data"), "a.csv", "0" * 64)
    assert not Path("run/data").exists()
    Path("run/data").mkdir()
    Path("run/data/a.csv").write_text("something else")
    keep_copy_of(Path("run/data"), "a.csv", "0" * 64)
    assert not copy_of("a.csv", "0" * 64).exists()
