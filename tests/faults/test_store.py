"""The sqlite store: many that come first, many that write at once, and one that was left half made."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from threading import Timer

import mlflow
import pytest
from filelock import FileLock
from mlflow.exceptions import MlflowException
from sqlalchemy import create_engine, text

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.mounts import Mount
from tests.support.commands import SMALL, Command, environment
from tests.support.forking import fork
from tests.support.records import is_in_mlflow
from tests.support.stores import make
from wavesweep.config.composing import compose
from wavesweep.config.config import Tracking
from wavesweep.trackers.mlflow import sqlite_file
from wavesweep.trackers.mlflow.answers import reason
from wavesweep.trackers.mlflow.artifacts import upload
from wavesweep.trackers.mlflow.store import connect, reach, require

RACE = """
import os, sys
from pathlib import Path
import mlflow.store.tracking.sqlalchemy_store
from hydra_queue_sweeper.base.errors import Refused
from wavesweep.config.composing import compose
from wavesweep.trackers.mlflow.artifacts import upload
from wavesweep.trackers.mlflow.store import connect, reach, require
for race in range(int(sys.argv[2])):
    place = Path(sys.argv[1], str(race))
    tracking = compose(f"tracking.uri=sqlite:///{place}/mlflow.db").tracking
    place.mkdir()
    (place / ".mlflow.db.0123abcd.part").write_bytes(b"SQLite format 3\\0 and no more")  # cut short before
    gate, start = os.pipe()
    children = []
    for _ in range(8):
        children.append(os.fork())
        if children[-1] == 0:
            os.close(start)
            os.read(gate, 1)  # until all are there
            client, experiment = connect(tracking)
            client.create_run(experiment)
            os._exit(0)
    os.close(start)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
    assert not [*place.glob(".mlflow.db.*")]
    client, experiment = connect(tracking)
    assert experiment == "1"
    assert len(client.search_runs([experiment])) == 8
    assert len(client.search_experiments()) == 2  # and MLflow's own
print("all there")
"""


def store(path: Path) -> Tracking:
    """Return the configuration of a sqlite store."""
    return compose(f"tracking.uri=sqlite:///{path}").tracking


@pytest.mark.slow
def test_processes_that_race_to_make_the_store_all_get_it(tmp_path: Path) -> None:
    """Five times over, beside what is left of one whose making was cut short."""
    script = [sys.executable, "-c", RACE, str(tmp_path), "5"]
    done = subprocess.run(script, env=environment(), capture_output=True, text=True, timeout=600)
    assert done.stdout == "all there\n", done.stderr


@pytest.mark.slow
def test_runs_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    """Five at once, to a store that is not there yet."""
    small = (*SMALL[:3], "model=tiny", "training.epochs=100", "training.refine_epochs=0")
    runs = [tmp_path / str(seed) for seed in range(5)]
    processes = [fork(*small, f"seed={run.name}", f"hydra.run.dir={run}", cwd=tmp_path) for run in runs]
    assert [process.wait() for process in processes] == [0] * 5
    client, experiment = connect(store(tmp_path / "outputs" / "mlflow.db"))
    assert len(client.search_runs([experiment])) == 5
    for run in runs:
        is_in_mlflow(client, experiment, run)


def test_a_half_made_store_is_moved_away_and_made_anew(wavesweep: Command, tmp_path: Path) -> None:
    assert wavesweep(*SMALL, "model=linear", "hydra.run.dir=outputs/run").returncode == 0
    path = tmp_path / "outputs" / "mlflow.db"
    with closing(sqlite3.connect(path)) as half_made:  # as MLflow leaves it, killed in the middle of making it
        half_made.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
        half_made.execute("DROP TABLE evaluation_datasets")
        half_made.commit()
    done = wavesweep("sync")
    assert done.returncode == 4
    way_out = f"mv {path} {path}.broken, then wavesweep sync makes it anew"
    assert done.stderr.count("\n") == 1
    assert way_out in done.stderr

    shutil.move(path, f"{path}.broken")
    done = wavesweep("sync")
    assert (done.returncode, done.stdout) == (0, "1 delivered\n")
    is_in_mlflow(*connect(store(path)), tmp_path / "outputs" / "run")


@pytest.mark.parametrize("tables", ["mine(x)", "alembic_version(version_num)", "experiments(id, title)"])
def test_a_database_of_another_program_is_left_alone(tables: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    with closing(sqlite3.connect(path)) as mine:
        mine.execute(f"CREATE TABLE {tables}")
    before = path.read_bytes()
    for command in (reach, require):
        with pytest.raises(Refused, match="it is a database, but not MLflow's"):
            command(store(path))
    assert path.read_bytes() == before


def test_a_store_is_made_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "disk" / "store.db")
    connect(store(tmp_path / "link.db"))
    assert (tmp_path / "link.db").is_symlink()
    assert (tmp_path / "disk" / "store.db").is_file()


def test_another_program_s_files_beside_a_store_stay(tmp_path: Path) -> None:
    theirs = [tmp_path / f".store.db.{name}" for name in ("wavesweep", "part", "mine.0123abcd")]
    for file in theirs:
        file.write_text("mine")
    connect(store(tmp_path / "store.db"))
    assert [file.read_text() for file in theirs] == ["mine"] * 3


@pytest.mark.parametrize("address", ["{}/mine", "file:{}/mine", "{}/artifacts", "artifacts", "FILE:{}/artifacts"])
def test_a_server_names_no_folder_of_this_machine_but_mlflow_s(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("theirs")
    client, _ = connect(store(tmp_path / "any.db"))
    before = sorted(tmp_path.iterdir())
    with pytest.raises((ValueError, MlflowException)):
        upload(client, tmp_path / "config.yaml", address.format(tmp_path), tmp_path)
    assert sorted(tmp_path.iterdir()) == before


def test_a_store_in_the_making_is_written_to_the_disk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a thousand writes, half a minute on a slow disk; another program's database beside it stays safe."""

    def synchronous(address: str) -> int:
        with create_engine(address).connect() as connection:
            return connection.execute(text("PRAGMA synchronous")).scalar_one()

    seen, addresses, beside, make_client = [], [], f"sqlite:///{tmp_path}/beside.db", mlflow.MlflowClient

    def spy(address: str) -> mlflow.MlflowClient:
        addresses.append(address)
        seen.extend([synchronous(address), synchronous(beside)])
        return make_client(address)

    monkeypatch.setattr(mlflow, "MlflowClient", spy)
    make(tmp_path / "mlflow.db")
    off, full = 0, 2
    assert seen == [off, full]
    assert synchronous(addresses[0]) == full  # once it is made


def test_a_lock_that_another_process_keeps_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "SECONDS_FOR_LOCK", 0.1)
    lock = tmp_path / "mlflow.db.lock"
    with FileLock(lock), pytest.raises(Refused, match=f"another process keeps {lock}"):
        reach(store(tmp_path / "mlflow.db"))


def test_a_store_that_others_write_to_for_too_long_is_worth_another_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(tracking := store(path := tmp_path / "mlflow.db"))
    monkeypatch.setattr(sqlite_file, "SECONDS_LOCKED", 0.1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Refused, match="others write to it; try again once they have"):
            reach(tracking)


@pytest.mark.slow
def test_others_may_write_for_seconds_before_a_run_is_delivered(tmp_path: Path) -> None:
    """As many do at once on a slow disk: sqlite leaves one of them waiting for longer than it waits by itself, 5 s."""
    connect(tracking := store(path := tmp_path / "mlflow.db"))
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        end = Timer(7, other.execute, ["COMMIT"])
        end.start()
        connect(tracking)
        end.join()


def test_a_store_on_a_network_s_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "mount_of", lambda _: Mount("nfs4", frozenset()))
    with (
        pytest.raises(ValueError, match="must not lie on a network's disk, got nfs4"),
        sqlite_file.first_touch(tmp_path / "x.db"),
    ):
        pass
    assert not (tmp_path / "x.db").exists()


def test_a_store_that_is_replaced_while_it_is_open_is_told_of_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    client, experiment = connect(tracking := store(path := tmp_path / "mlflow.db"))
    shutil.copyfile(path, tmp_path / "other.db")
    (tmp_path / "other.db").replace(path)
    with pytest.raises(MlflowException) as caught:
        client.create_run(experiment)
    assert reason(caught.value, tracking) == "its file was removed or replaced meanwhile; try again"
    assert capfd.readouterr().err == "", "MLflow shows a traceback of what it raises"
