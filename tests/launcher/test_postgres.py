"""MLflow's server before a PostgreSQL that holds the claims too: both fall in mid-sweep, nothing is lost or doubled."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.support.commands import call
from tests.support.postgres import Postgres, missing
from tests.support.records import for_mlflow, in_mlflow
from tests.support.servers import Server
from tests.support.sweeping import keys, started, starts, trials
from wavesweep.workspace.directory import RunDirectory, SweepRecord

pytestmark = [pytest.mark.clusters, pytest.mark.skipif(bool(missing()), reason=missing())]
TRIALS = 200
TINY = (  # of this seed no two parts hold the same series, of which MLflow would keep one
    "dataset.num_series=3", "dataset.length=20", "dataset.width=2", "dataset.seed=2",
    "model=tiny", "training.epochs=2", "training.refine_epochs=0",
)  # fmt: skip
SECONDS = 600
DOUBLED = {
    "runs": "select value from tags natural join runs where key = 'wavesweep.run_key' and lifecycle_stage = 'active'",
    "metrics": "select run_uuid, key, step from metrics",
    "latest_metrics": "select run_uuid, key from latest_metrics",
    "params": "select run_uuid, key from params",
    "tags": "select run_uuid, key from tags",
    "inputs": "select destination_id, source_id from inputs",
    "logged_models": "select source_run_id from logged_models where lifecycle_stage = 'active'",
}
"""What no two rows of a table may share."""


class Store:
    """A database of MLflow's own beside the one of the claims."""

    def __init__(self, database: Postgres) -> None:
        self.database = database
        with database.connected() as connection:
            connection.execute("create database mlflow")
        self.address = database.address.replace("/postgres", "/mlflow").replace("postgresql:", "postgresql+psycopg:")

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Ask it, past the server."""
        import psycopg

        with psycopg.connect(self.address.replace("+psycopg", "")) as connection:
            return connection.execute(query.encode()).fetchall()

    def num_finished(self) -> int:
        """Return how many runs have ended there."""
        [(number,)] = self.rows("select count(*) from runs where status = 'FINISHED'")
        assert isinstance(number, int)
        return number

    def doubled(self) -> dict[str, list[tuple[object, ...]]]:
        """Return what stands there more than once."""
        found = {
            name: self.rows(f"select one::text, count(*) from ({query}) one group by 1 having count(*) > 1")  # noqa: S608
            for name, query in DOUBLED.items()
        }
        return {name: rows for name, rows in found.items() if rows}


@pytest.fixture
def store(database: Postgres) -> Iterator[Store]:
    yield Store(database)
    with database.connected() as connection:
        connection.execute("drop database mlflow with (force)")


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Server]:
    one = Server(tmp_path, store.address)
    one.start()
    try:
        one.wait()
        yield one
    finally:
        one.end(signal.SIGKILL)


def test_200_trials_by_8_workers_past_a_database_that_stops_and_a_server_that_is_killed(
    store: Store, server: Server, tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    claims = (f"hydra.sweeper.claims={store.database.address}", "hydra.sweeper.n_workers=8")
    line = ("-m", *TINY, f"seed=range({TRIALS})", *claims, f"tracking.uri={server.uri}", "hydra.sweep.dir=sweep")
    with started(tmp_path, *line) as command:
        command.wait_until(lambda: store.num_finished() >= 20, SECONDS)
        store.database.stop(signal.SIGINT)
        time.sleep(4)
        store.database.start()
        command.wait_until(lambda: len(keys(sweep)) >= 100, SECONDS)
        server.end(signal.SIGKILL)
        assert len(keys(sweep)) < TRIALS, "too late for this test"
        time.sleep(2)
        server.start()
        server.wait()
        code = command.end(SECONDS)
        said = command.err.read_text()
    assert code in (0, 4), said
    assert "Traceback" not in said
    if code == 4:
        synced = call("sync", "sweep", cwd=tmp_path)
        assert synced.returncode == 0, synced.stderr
    each_trial_ran_once(store, sweep)
    has_all_of(MlflowClient(server.uri), sweep)
    assert store.doubled() == {}


def each_trial_ran_once(store: Store, sweep: Path) -> None:
    """Assert that each trial was begun once and has finished, as their records say, and the table of claims."""
    assert [(trial.state, trial.deaths) for trial in trials(sweep)] == [("finished", 0)] * TRIALS
    assert [starts(sweep / str(number)) for number in range(TRIALS)] == [1] * TRIALS
    with store.database.connected() as connection:
        claimed = "select count(*), bool_and(ended), max(attempt) from hydra_queue where sweep = %s"
        assert connection.execute(claimed, [str(sweep)]).fetchone() == (TRIALS, True, 1)


def has_all_of(client: MlflowClient, sweep: Path) -> None:
    """Assert that MLflow has a sweep and its runs, each once, whole and as they stand in their directories."""
    experiment = client.get_experiment_by_name("wavesweep")
    assert experiment
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    assert {run.info.status for run in found} == {"FINISHED"}
    by_key = {run.data.tags["wavesweep.run_key"]: run for run in found}
    assert len(by_key) == len(found) == TRIALS + 1
    parent = by_key.pop(SweepRecord(sweep).read_info().run_key)
    directories = {key: RunDirectory(sweep / name) for name, key in keys(sweep).items()}
    assert by_key.keys() == directories.keys()
    hung = {"mlflow.parentRunId": parent.info.run_id, "wavesweep.sweep_id": sweep.name}
    for key, run in by_key.items():
        wanted = for_mlflow(directories[key])
        assert in_mlflow(client, run) == wanted | {"tags": wanted["tags"] | hung}
