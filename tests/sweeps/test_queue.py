"""The queue that hands out trials to workers."""

import itertools
import json
import math
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.search.space import Dimension, Interval
from hydra_queue_sweeper.search.trials import State, Trial
from hydra_queue_sweeper.sweeps.endings import Endings
from hydra_queue_sweeper.sweeps.queue import Queue
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from hydra_queue_sweeper.sweeps.worker import _outcome
from tests.support.claiming import Claiming, work
from tests.support.made import make, plan_of

SEEDS = Dimension("seed", tuple(map(str, range(30))))


def take(queue: Queue) -> tuple[int, int]:
    """Take a trial, and be gone with the lock, as after a death; return its number and its deaths."""
    with queue.take() as trial:
        assert trial
        return trial.number, trial.deaths


def test_each_trial_is_handed_out_once_to_whoever_asks(claiming: Claiming, tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [SEEDS], [])
    held, handed, twice, chance = set[int](), Counter[int](), list[int](), random.Random(0)

    claiming.start(sweep, "a")

    def run() -> None:
        queue = claiming.queue(sweep)
        while True:
            with queue.take() as trial:
                if trial is None:
                    return
                if trial.number in held:
                    twice.append(trial.number)
                held.add(trial.number)
                handed[trial.number] += 1
                assert trial.state == "running"
                assert sweep.read_trial(trial.number) == trial
                time.sleep(chance.uniform(0, 0.02))
                held.discard(trial.number)
                queue.claims.record(replace(trial, state="finished", objective=1.0))

    workers = [threading.Thread(target=run) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert twice == []
    assert handed == Counter(range(30))
    trials = sweep.read_trials(sweep.read_plan())
    assert {(trial.state, trial.deaths) for trial in trials} == {("finished", 0)}
    assert [trial.overrides for trial in trials] == [[f"seed={number}"] for number in range(30)]


WORKER = """
import sys, time
from dataclasses import replace
from pathlib import Path
from hydra_queue_sweeper.base import locks
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.claiming import Claiming

if sys.argv[2] == "leases":
    locks._locks_hold = lambda *_: False
claiming = Claiming(sys.argv[2], sys.argv[3] or None)
queue = claiming.queue(SweepDirectory(Path(sys.argv[1])), "a", lambda number: Trial(number, [f"seed={number}"]))
while True:
    with queue.take() as trial:
        if trial is None:
            break
        print(trial.number, trial.deaths, *trial.overrides, flush=True)
        time.sleep(0.005)
        queue.claims.record(replace(trial, state="finished"))
"""


@pytest.mark.parametrize("dimension", [SEEDS, Dimension("seed", interval=Interval(0, 9, integer=True, log=False))])
def test_each_trial_is_handed_out_once_to_processes(dimension: Dimension, claiming: Claiming, tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [dimension], [], total=30)
    claiming.start(sweep, "a")
    line = [sys.executable, "-c", WORKER, str(sweep.path), claiming.kind, claiming.address or ""]
    workers = [subprocess.Popen(line, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    handed = [worker.communicate(timeout=60)[0].splitlines() for worker in workers]
    assert sorted(itertools.chain(*handed), key=lambda text: int(text.split()[0])) == [
        f"{n} 0 seed={n}" for n in range(30)
    ]
    assert sum(map(bool, handed)) > 1, "one has done all"


def test_proposals_are_made_one_by_one_each_with_all_before_it_recorded(claiming: Claiming, tmp_path: Path) -> None:
    sweep = make(
        tmp_path / "sweep", [Dimension("seed", interval=Interval(0, 9, integer=True, log=False))], [], total=20
    )
    at_work, wrong = threading.Lock(), list[int]()

    def propose(number: int) -> Trial:
        recorded = {int(path.stem) for path in sweep.trials.glob("*.json")}
        if not at_work.acquire(blocking=False) or recorded != set(range(number)):
            wrong.append(number)
            return Trial(number, [])
        time.sleep(0.005)
        at_work.release()
        return Trial(number, [f"seed={number}"])

    claiming.start(sweep, "a")
    workers = [threading.Thread(target=lambda: work(claiming.queue(sweep, propose=propose))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []
    assert [trial.overrides for trial in sweep.read_trials(sweep.read_plan())] == [[f"seed={n}"] for n in range(20)]


def test_what_is_held_is_not_handed_out(claiming: Claiming, tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("seed", ("0", "1"))], [])
    claiming.start(sweep, "a")
    first, second, third = (claiming.queue(sweep) for _ in range(3))
    with first.take() as one, second.take() as other, third.take() as none:
        assert one
        assert other
        assert (one.number, other.number, none) == (0, 1, None)
        first.claims.record(replace(one, state="finished"))
        second.claims.record(replace(other, state="interrupted"))
    assert work(third) == [1]
    assert work(first) == work(second) == []


def test_what_was_interrupted_is_there_again_and_costs_nothing(claiming: Claiming, tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("seed", ("0", "1"))], [])
    queue = claiming.begin(sweep)
    for _ in range(5):
        with queue.take() as trial:
            assert trial
            assert (trial.number, trial.deaths) == (0, 0)
            queue.claims.record(replace(trial, state="interrupted", directory="d", seconds=3.0))
    with queue.take() as trial:
        assert trial
        assert (trial.directory, trial.seconds) == ("d", 3.0)


def test_deaths_are_charged_to_the_trial_that_was_held_within_one_start(claiming: Claiming, tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("seed", ("0", "1"))], [])
    queue = claiming.begin(sweep, "a")
    assert take(queue) == (0, 0)
    assert take(queue) == (0, 1)
    queue = claiming.begin(sweep, "b")
    assert take(queue) == (0, 1), "the start before was killed whole"
    assert take(queue) == (0, 2)
    queue = claiming.begin(sweep, "c")
    assert take(queue) == (0, 2)
    assert take(queue) == (1, 0), "three are too many"
    failed = sweep.read_trial(0)
    assert failed
    assert (failed.state, failed.deaths, failed.reason[:23]) == ("failed", 3, "its worker died 3 times")
    assert work(claiming.begin(sweep, "d")) == [1]


@pytest.mark.parametrize("state", ["finished", "diverged", "pruned", "failed"])
def test_what_has_ended_is_not_handed_out_again(state: State, claiming: Claiming, tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("seed", ("0", "1", "2"))], [state])
    assert work(claiming.begin(sweep, "a"), state) == [1, 2]
    assert work(claiming.begin(sweep, "b")) == []


def visited(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return which records a worker looks at as it takes a trial."""
    seen: list[int] = []
    read = SweepDirectory.read_trial

    def look(sweep: SweepDirectory, number: int) -> Trial | None:
        seen.append(number)
        return read(sweep, number)

    with monkeypatch.context() as patch:
        patch.setattr(SweepDirectory, "read_trial", look)
        with queue.take() as trial:
            assert trial
    return seen


def test_what_another_found_to_have_ended_is_not_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("seed", tuple(map(str, range(8))))], [])
    in_directory = Claiming("directory")
    in_directory.start(sweep, "a")
    first, second = (in_directory.queue(sweep) for _ in range(2))
    for _ in range(5):
        with first.take() as trial:
            assert trial
            sweep.write_trial(replace(trial, state="finished"))
    assert visited(first, monkeypatch) == [4, 5], "its own last one, and then the next"
    assert visited(second, monkeypatch) == [5]
    assert visited(in_directory.begin(sweep, "b"), monkeypatch) == [5]


def test_what_is_told_of_ends_may_be_cut_or_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("seed", tuple(map(str, range(8))))], [])
    for number in (0, 1, 3):
        sweep.write_trial(replace(sweep.read_plan().waiting[number], state="finished"))
    queue = Claiming("directory").begin(sweep)
    with sweep.endings.open("ab") as file:
        file.write(b"00000000")  # of a worker that was killed as it wrote 2, which has not ended
    Endings(sweep).add([4])
    assert Endings(sweep).read() == [0, 1, 3]
    assert visited(queue, monkeypatch) == [2]
    sweep.endings.unlink()
    assert visited(Claiming("directory").queue(sweep), monkeypatch) == [0, 1, 2]
    sweep.endings.unlink()
    sweep.endings.mkdir()  # where nothing can be written
    monkeypatch.setattr(Endings, "read", lambda _: [])
    assert visited(Claiming("directory").queue(sweep), monkeypatch) == [0, 1, 2]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_job_whose_objective_is_not_finite_has_diverged(value: float) -> None:
    assert _outcome(value, plan_of([], [])) == {"state": "diverged"}


def test_what_is_no_trial_is_passed_over(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("seed", ("0", "1"))], [0.5])
    for name in ("notes", "00", "1e3", "-1", "1234567", "²"):
        (sweep.trials / f"{name}.json").write_text("{}")
    assert [trial.objective for trial in sweep.read_trials(sweep.read_plan())] == [0.5, None]


def test_a_sweep_comes_back_from_its_files(tmp_path: Path) -> None:
    dimensions = [
        Dimension("a", ("1", "x"), ordered=True),
        Dimension("+b", interval=Interval(1, 8, integer=True, log=True)),
        Dimension("~c", ("",)),
    ]
    sweep = make(tmp_path / "sweep", dimensions, [], total=3)
    plan = replace(sweep.read_plan(), pruner="median", fingerprint={"code": "x"}, launcher=["a=b"], subdir="${now:%H}")
    sweep.write_plan(replace(plan, digests={"": {"model.kind": "0123"}}))
    assert sweep.read_plan().dimensions == dimensions
    assert sweep.read_plan() == replace(plan, digests=sweep.read_plan().digests)
    ended = ("finished", 0.25, "ü", "x/2", 9, 7.5, 0.5, "l", 1, "0123", "7")
    trial = Trial(2, ["a=x", "+b=3", "~c="], *ended)
    sweep.write_trial(trial)
    assert repr(sweep.read_trials(plan)) == repr([trial])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"number": 1}, "number must be 0, got 1"),
        ({"overrides": ["seed"]}, "its overrides are not those of the sweep"),
        ({"overrides": ["seed=7"]}, "its overrides are not those of the sweep"),
        ({"overrides": []}, "its overrides are not those of the sweep"),
        ({"overrides": "seed=0"}, "overrides: Input should be a valid array"),
        ({"state": "asleep"}, "state: Input should be"),
        ({"seconds": "1"}, "seconds: Input should be a valid number"),
        ({"directory": "../x"}, "must name a place within"),
    ],
)
def test_a_trial_that_is_damaged_is_refused(changes: dict[str, object], words: str, tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("seed", ("0", "1"))], [0.5])
    path = sweep.trials / "0.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(Refused, match=r"0\.json is damaged \(.*remove it: if the sweep is resumed") as refused:
        sweep.read_trials(sweep.read_plan())
    assert words in str(refused.value)
