"""What all ways of claiming trials promise beside what `test_queue.py` asks of a queue: who is late has lost."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from hydra_queue_sweeper.base import locks
from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.locks import locks_hold
from hydra_queue_sweeper.base.mounts import Mount
from hydra_queue_sweeper.search.space import Dimension
from hydra_queue_sweeper.sweeps import postgres_claims
from hydra_queue_sweeper.sweeps.addresses import check_address
from hydra_queue_sweeper.sweeps.claims import Lost
from hydra_queue_sweeper.sweeps.conducting import Lead
from hydra_queue_sweeper.sweeps.control import Control, change_control, read_control, write_control
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from hydra_queue_sweeper.sweeps.task import SweepTask
from tests.support.claiming import Claiming, work
from tests.support.made import make
from tests.support.postgres import Postgres
from tests.support.trees import wait_until

LEASE = 2.0  # so long that a busy machine renews it in time
TWO = [Dimension("seed", ("0", "1"))]
HOLDER = """
import sys, time
from pathlib import Path
from hydra_queue_sweeper.base import locks
from hydra_queue_sweeper.sweeps import postgres_claims
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from hydra_queue_sweeper.sweeps.task import SweepTask
from tests.support.claiming import Claiming

kind, lease, path, address = sys.argv[1:]
if kind == "leases":
    locks._locks_hold = lambda *_: False
locks.SECONDS_OF_LEASE = postgres_claims.SECONDS_OF_LEASE = float(lease)
with Claiming(kind, address or None).queue(SweepDirectory(Path(path))).take() as trial:
    print(trial.number, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let leases be short."""
    monkeypatch.setattr(locks, "SECONDS_OF_LEASE", LEASE)
    monkeypatch.setattr(postgres_claims, "SECONDS_OF_LEASE", LEASE)
    monkeypatch.setattr(postgres_claims, "SECONDS_BETWEEN_RENEWALS", LEASE / 3)


def holder(claiming: Claiming, sweep: SweepDirectory, *before: str) -> "subprocess.Popen[str]":
    """Start a process that takes a trial and keeps it."""
    words = [claiming.kind, str(LEASE), str(sweep.path), claiming.address or ""]
    process = subprocess.Popen([*before, sys.executable, "-c", HOLDER, *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "0\n"
    return process


def test_who_was_taken_for_dead_writes_no_record(claiming: Claiming, tmp_path: Path) -> None:
    """A lock can be lost as a network's disk comes back, a lease as a process is stopped for long."""
    sweep = make(tmp_path / "sweep", TWO, [])
    claiming.start(sweep, "a")
    first, second = claiming.queue(sweep), claiming.queue(sweep)
    with first.take() as one:
        assert one
        if claiming.address:
            time.sleep(1.2 * LEASE)  # without renewal
        else:
            (sweep.trials / "0.lock").unlink()
        with second.take() as other:
            assert other
            assert (other.number, other.attempt) == (0, one.attempt + 1)
            with pytest.raises(Lost, match="job 0 is another worker's by now: this one was taken for dead"):
                first.claims.record(replace(one, state="failed"))
            if claiming.kind != "directory":
                wait_until(lambda: not first.claims.renew(), LEASE)
            assert sweep.read_trial(0) == other
            second.claims.record(replace(other, state="finished", objective=1.0))
    found = sweep.read_trial(0)
    assert found
    assert found.state == "finished"
    assert work(second) == [1]


def test_who_has_lost_a_trial_goes_on_with_others(claiming: Claiming, tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", TWO, [])
    claiming.start(sweep, "a")
    first, second = claiming.queue(sweep), claiming.queue(sweep)
    found = None
    try:
        with first.take() as one:
            assert one
            if claiming.address:
                time.sleep(1.2 * LEASE)
            else:
                (sweep.trials / "0.lock").unlink()
            assert work(second) == [0, 1]
            time.sleep(LEASE / 2)  # in which a lease of its own is found to be lost
            first.claims.record(one)
    except Lost as lost:
        found = lost
    assert found
    assert first.claims.renew()
    assert work(first) == []


def test_what_is_renewed_is_held_for_as_long_as_it_takes(claiming: Claiming, tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", TWO, [])
    claiming.start(sweep, "a")
    first, second = claiming.queue(sweep), claiming.queue(sweep)
    with first.take() as one:
        assert one
        until = time.monotonic() + 1.5 * LEASE
        while time.monotonic() < until:
            assert first.claims.renew()
            assert second.claims.is_held(0)
            time.sleep(LEASE / 6)
        with second.take() as other:
            assert other
            assert other.number == 1
        first.claims.record(replace(one, state="interrupted"))
    assert not second.claims.is_held(0)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_a_dead_worker_held_is_there_again(elsewhere: bool, claiming: Claiming, tmp_path: Path) -> None:
    """At once, where its death can be seen; else after its lease, as of a node that is gone."""
    if elsewhere and os.geteuid() != 0:
        pytest.skip("another node's name takes root")
    sweep = make(tmp_path / "sweep", TWO, [])
    claiming.start(sweep, "a")
    before = ["unshare", "--uts", "sh", "-c", 'hostname elsewhere; exec "$@"', "sh"] if elsewhere else []
    process = holder(claiming, sweep, *before)
    queue = claiming.queue(sweep)
    assert queue.claims.others_at_work()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    began = time.monotonic()
    while queue.claims.others_at_work():
        time.sleep(0.05)
    is_seen = claiming.kind == "directory" or (claiming.kind == "leases" and not elsewhere)
    assert (time.monotonic() - began < LEASE / 3) == is_seen
    with queue.take() as trial:
        assert trial
        assert (trial.number, trial.deaths, trial.attempt) == (0, 1, 2)


def test_workers_of_an_earlier_start_get_nothing_more(claiming: Claiming, tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("seed", ("0", "1", "2"))], [])
    before = claiming.begin(sweep, "before")
    with before.take() as held:
        assert held
        now = claiming.begin(sweep, "now")
        with before.take() as none:
            assert none is None
        if claiming.address:  # a worker that had looked at what holds just before
            with before.claims.take(before._begin) as none:
                assert none is None
    assert work(before) == []
    assert work(now) == [0, 1, 2]


def test_who_leads_waits_for_what_others_are_at(claiming: Claiming, tmp_path: Path) -> None:
    """Of workers that outlive their command: else the sweep would be concluded before its end."""
    sweep = make(tmp_path / "sweep", TWO, [])
    claiming.start(sweep, "a")
    queues = [claiming.queue(sweep) for _ in range(2)]
    first, second = (Lead(queue.claims, SweepTask(len), OmegaConf.create()) for queue in queues)
    with queues[1].take() as trial:
        assert trial
        first.try_to_lead()
        second.try_to_lead()
        assert (first.leads, second.leads) == (True, False)
        assert work(queues[0]) == [1]
        assert first.wait()
        assert not second.wait()
        queues[1].claims.record(replace(trial, state="finished"))
    assert not first.wait()
    assert not sweep.results.exists()
    first.conclude()
    second.conclude()
    second.try_to_lead()
    assert second.leads
    second.conclude()


def test_once_there_is_enough_nothing_is_handed_out(claiming: Claiming, tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", TWO, [])
    queue = claiming.begin(sweep)
    change_control(sweep, enough="since the time is up")
    assert work(queue) == []
    change_control(sweep, enough="")
    assert work(queue) == [0, 1]


def test_a_database_that_is_restarted_costs_no_trial(database: Postgres, tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", TWO, [])
    queue = Claiming("postgresql", database.address).begin(sweep)
    for signum in (signal.SIGINT, signal.SIGQUIT):  # in order, and as after a crash
        with queue.take() as trial:
            assert trial
            database.stop(signum)
            again = threading.Timer(0.7, database.start)
            again.start()
            queue.claims.record(replace(trial, state="finished"))  # waits
            again.join()
    trials = sweep.read_trials(sweep.read_plan())
    assert [(one.number, one.state, one.attempt, one.deaths) for one in trials] == [
        (0, "finished", 1, 0),
        (1, "finished", 1, 0),
    ]
    assert work(queue) == []


def test_sweeps_of_one_database_leave_each_other_alone(database: Postgres, tmp_path: Path) -> None:
    claiming = Claiming("postgresql", database.address)
    one, other = (make(tmp_path / name, TWO, []) for name in ("one", "other"))
    first = claiming.begin(one)
    assert work(claiming.begin(other)) == [0, 1]
    assert work(first) == [0, 1]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("sqlite:///x.db", "must be postgresql://USER@HOST/DATABASE, or be left out"),
        ("postgresql:", "must be postgresql://USER@HOST/DATABASE, or be left out"),
        ("postgresql://me:secret@host/db", "must have no password, which would be stored; set PGPASSWORD"),
        ("postgresql://me@host/db?sslmode=require&password=secret", "must have no password"),
    ],
)
def test_an_address_that_can_t_be_taken_is_refused_without_being_shown(address: str, words: str) -> None:
    with pytest.raises(Refused, match=words) as refused:
        check_address(address)
    assert "secret" not in str(refused.value)


def test_a_database_that_is_not_there_is_refused_at_the_start(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    sweep = make(tmp_path / "sweep", TWO, [])
    address = "postgresql://nobody@127.0.0.1:1/none"
    with pytest.raises(Refused, match=r"hydra.sweeper.claims=.*: no database answers there \(.*refused.*\); start it"):
        Claiming("postgresql", address).start(sweep, "a")


def test_what_several_change_at_once_all_stays(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", TWO, [])
    assert read_control(sweep) == Control()
    for _ in range(20):
        write_control(sweep, Control("a"))
        changes = ({"stop": True}, {"enough": "it is"}, {"until": 3.0}, {"is_detached": True})
        threads = [threading.Thread(target=change_control, args=(sweep,), kwargs=one) for one in changes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert read_control(sweep) == Control("a", is_detached=True, stop=True, enough="it is", until=3.0)
    sweep.control.write_text("{")
    assert read_control(sweep) == Control()


def test_locks_are_used_where_all_nodes_have_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert locks_hold(tmp_path)
    for options in ("vers=4.2,local_lock=flock", "nolock", "localflock"):
        monkeypatch.setattr(locks, "mount_of", lambda _, options=options: Mount("nfs", frozenset(options.split(","))))
        locks._locks_hold.cache_clear()
        assert not locks_hold(tmp_path)
    monkeypatch.setattr(locks, "mount_of", lambda _: Mount("nfs4", frozenset(["local_lock=none"])))
    locks._locks_hold.cache_clear()
    assert locks_hold(tmp_path)

    def without(*_: object) -> None:
        raise OSError(errno.ENOSYS, "")

    monkeypatch.setattr("fcntl.flock", without)
    locks._locks_hold.cache_clear()
    assert not locks_hold(tmp_path)
    locks._locks_hold.cache_clear()
