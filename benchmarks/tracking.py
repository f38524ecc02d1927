"""What delivery costs where MLflow's server keeps its store in PostgreSQL: one follower delivers for all workers.

python -m benchmarks.tracking prints two tables, with all three processes on this machine (apt-get install postgresql):
of runs that have ended and wait, and of runs that workers write to, a record a second each, till all end at once. Runs
are copies of one that was made. PostgreSQL does not wait for the disk here.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
import psycopg

from hydra_queue_sweeper.search.space import Dimension
from tests.support.made import make
from tests.support.postgres import Postgres
from tests.support.servers import Server
from wavesweep.config.config import Tracking
from wavesweep.evaluation.metric_names import is_metric
from wavesweep.tracking.follower_handle import Follower
from wavesweep.workspace.directory import RunDirectory, SweepRecord
from wavesweep.workspace.info import now

TINY = ("dataset.num_series=3", "dataset.length=20", "dataset.width=2", "model=tiny", "training.epochs=2")
WORKERS = (1, 10, 100)
SECONDS = 30
EACH, ONCE = "val/closed_loop_scaled_mse", "time/train_seconds"
"""A metric of each record of an epoch, and one of the last record."""


class Stack(NamedTuple):
    """A server, and what its store is in; a run that is copied, in a sweep of its own."""

    database: Postgres
    server: Server
    made: Path

    def spent(self) -> np.ndarray:
        """Return the requests and statements so far, and the milliseconds that PostgreSQL took for these."""
        requests = (self.server.place / "server.log").read_text().count(' HTTP/1.1" ')
        of = "from pg_stat_statements s join pg_database d on d.oid = s.dbid where datname = 'mlflow'"
        with self.database.connected() as connection:
            query = f"select sum(calls), sum(total_exec_time + total_plan_time) {of}"
            return np.array([requests, *connection.execute(query).fetchone()], dtype=float)

    def num_rows(self, connection: Any, metric: str, experiment: str) -> int:
        """Return how many points of a metric the store has."""
        of = "from metrics m join runs r using (run_uuid) join experiments e using (experiment_id)"
        query = f"select count(*) {of} where m.key = %s and e.name = %s"
        return connection.execute(query, [metric, experiment]).fetchone()[0]


@contextmanager
def started(place: Path) -> Iterator[Stack]:
    """Start a database and a server, which end with the context, and make a run."""
    with ExitStack() as ends:
        database = Postgres()
        ends.callback(database.remove)
        prepare(database)
        server = Server(place, f"postgresql+psycopg://owner@127.0.0.1:{database.port}/mlflow")
        server.start()
        ends.callback(server.end, signal.SIGKILL)
        words = [sys.executable, "-m", "wavesweep", "-m", *TINY, "hydra.sweep.dir=made", "tracking.followers=[]"]
        subprocess.run(words, cwd=place, check=True, capture_output=True)  # noqa: S603
        server.wait()
        yield Stack(database, server, place / "made")


def prepare(database: Postgres) -> None:
    """Let a database count statements and what they take, and have one of MLflow's."""
    with database.connected() as connection:
        connection.execute("alter system set shared_preload_libraries = pg_stat_statements")
    database.stop()
    database.start()
    with database.connected() as connection:
        connection.execute("create extension pg_stat_statements")
        connection.execute("alter system set pg_stat_statements.track_planning = on")
        connection.execute("select pg_reload_conf()")
        connection.execute("create database mlflow")


def copies(made: Path, path: Path, number: int) -> list[RunDirectory]:
    """Make a sweep of so many trials that have ended, each with a copy of the run of one."""
    sweep = make(path, [Dimension("seed", tuple(map(str, range(number))))], [1.0] * number)
    for name in ("parent.json", "config.yaml"):
        shutil.copy(made / name, path)
    runs = [RunDirectory(path / str(one)) for one in range(number)]
    for run in runs:
        shutil.copytree(made / "0", run.path)
    for directory in (SweepRecord(path), *runs):
        directory.write_info(replace(directory.read_info(), run_key=uuid4().hex, sweep_id=sweep.id))
    return runs


def follower_for(stack: Stack, path: Path) -> Follower:
    """Return a follower that has begun, and delivers to an experiment called as the sweep."""
    follower = Follower(
        Tracking(followers=("mlflow",), uri=stack.server.uri, experiment=path.name, required=True, tags={})
    )
    follower.require()
    return follower


def ended(stack: Stack, path: Path, workers: int) -> list[float]:
    """Deliver runs that wait; return runs a second, and of each run the requests, statements and milliseconds."""
    copies(stack.made, path, workers)
    with follower_for(stack, path) as follower:
        before, began = stack.spent(), time.monotonic()
        assert follower.deliver_rest(path).complete
        took = time.monotonic() - began
    return [workers / took, *(stack.spent() - before) / workers]


def live(stack: Stack, path: Path, workers: int) -> list[float]:
    """Deliver runs as they are written, a record a second each, till they end at once.

    Returns:
        Requests, statements and milliseconds of PostgreSQL a second; the records that a run's copy lacks at its end;
        the seconds until it has the last one, median and most; those until all copies are whole.
    """
    runs = copies(stack.made, path, workers)
    rows = runs[0].read_metrics()
    each, once = ({key: row[key] for key in row if is_metric(key)} for row in (rows[0], rows[-1]))
    infos = [run.read_info() for run in runs]
    for run, info in zip(runs, infos, strict=True):
        run.metrics.unlink()
        run.write_info(replace(info, status="running", ended=None))
    store = stack.server.store.replace("+psycopg", "")
    with follower_for(stack, path) as follower, closing(psycopg.connect(store, autocommit=True)) as connection:
        before, began = stack.spent(), time.monotonic()
        follower.follow(path)
        for turn in range(SECONDS * workers):
            time.sleep(max(0.0, began + turn / workers - time.monotonic()))
            runs[turn % workers].append_metrics(1 + turn // workers, each)
        spent, end = stack.spent() - before, time.monotonic()
        lacking = SECONDS - stack.num_rows(connection, EACH, path.name) / workers
        for run, info in zip(runs, infos, strict=True):
            run.append_metrics(None, once)
            run.write_info(replace(info, ended=now()))
        rest = Thread(target=follower.deliver_rest, args=(path,))
        rest.start()
        came: list[float] = []
        while rest.is_alive():
            rest.join(0.05)
            number = stack.num_rows(connection, ONCE, path.name)
            came += [time.monotonic() - end] * (number - len(came))
        assert len(came) == workers, came
        return [*spent / (end - began), lacking, median(came), came[-1], time.monotonic() - end]


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as folder, started(Path(folder)) as one:
        print("ended:  workers  runs/s  requests/run  SQL/run  PostgreSQL ms/run")
        for workers in WORKERS:
            figures = ended(one, Path(folder, f"e{workers}"), workers)
            print(f"{workers:>15}" + "{:8.2f}{:14.1f}{:9.0f}{:19.1f}".format(*figures), flush=True)
        print("live:   workers  requests/s  SQL/s  PostgreSQL ms/s  records lacking  last record, s  slowest  whole, s")
        for workers in WORKERS:
            figures = live(one, Path(folder, f"l{workers}"), workers)
            print(
                f"{workers:>15}" + "{:12.1f}{:7.0f}{:17.1f}{:17.1f}{:16.1f}{:9.1f}{:10.1f}".format(*figures), flush=True
            )


if __name__ == "__main__":
    sys.exit(main())
