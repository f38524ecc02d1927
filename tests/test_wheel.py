"""What an installed wheel does in an empty directory whose name is awkward."""

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from mlflow import MlflowClient

from tests.support import stores
from tests.support.commands import SMALL, environment

QUICK = (*SMALL, "training.epochs=1", "training.refine_epochs=0")
CHECKOUT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel and unpack it, as an installer does; return where it lies."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    [wheel] = place.glob("*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(place / "site")
    return place / "site"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "an empty Verzeichnis für alle"
    place.mkdir()
    return place


def wavesweep(installed: Path, place: Path, *arguments: str) -> str:
    """Run the wheel's program; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "wavesweep", *arguments],
        cwd=place,
        env=environment(PYTHONPATH=str(installed)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def params(place: Path) -> list[dict[str, str]]:
    client = MlflowClient(f"sqlite:///{place}/outputs/mlflow.db")
    return [run.data.params for run in client.search_runs(["1"], order_by=["start_time DESC"])]


def test_it_brings_its_configuration_and_its_helps(installed: Path, place: Path) -> None:
    [package] = distributions(path=[str(installed)])
    assert package.entry_points["wavesweep"].value == "wavesweep.cli.main:main"
    assert "One run" in wavesweep(installed, place, "--help")
    assert "usage: wavesweep sync" in wavesweep(installed, place, "sync", "--help")
    shown = yaml.safe_load(wavesweep(installed, place, "--cfg", "job", "dataset=cos_sin_squared"))
    assert shown["dataset"]["kind"] == "cos_sin_squared"
    assert f"{installed}/wavesweep/conf" in wavesweep(installed, place, "--info", "searchpath")
    assert list(place.iterdir()) == []


@pytest.mark.slow
def test_it_sweeps(installed: Path, place: Path) -> None:
    stores.ready(place / "outputs" / "mlflow.db")
    wavesweep(installed, place, "-m", *QUICK, "model=tiny,linear")
    assert sorted(found.get("model", "") for found in params(place)) == ["", "linear", "tiny"]
    assert [path.name for path in place.iterdir()] == ["outputs"]


@pytest.mark.slow
def test_it_takes_its_users_options(installed: Path, place: Path) -> None:
    stores.ready(place / "outputs" / "mlflow.db")
    own = place / "meine Optionen"
    (own / "dataset").mkdir(parents=True)
    (own / "experiment").mkdir()
    (own / "dataset" / "schnell.yaml").write_text("defaults: [sine, _self_]\nwidth: 2\nlength: 30\nnum_series: 5\n")
    (own / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /dataset: schnell\n  - override /model: tiny\n"
        "training: {epochs: 1, refine_epochs: 0}\n"
    )
    wavesweep(installed, place, "--config-dir", own.name, "experiment=mine")
    latest = params(place)[0]
    assert (latest["experiment"], latest["dataset"], latest["dataset.width"]) == ("mine", "schnell", "2.0")
