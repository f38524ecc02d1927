"""The follower: a process that reads directories of runs and sweeps again and again, and delivers what has changed."""

import gc
import json
import logging
import os
import queue
import signal
import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO, Any

from hydra_queue_sweeper.base.errors import InUse, Refused, in_one_line
from hydra_queue_sweeper.sweeps.store import Records
from wavesweep.base.processes import wait_for_end_of
from wavesweep.base.streams import log
from wavesweep.config.config import Config, Tracking
from wavesweep.delivery.delivery import SECONDS_TO_WAIT, Delivery
from wavesweep.workspace.configurations import read_config
from wavesweep.workspace.directory import Directory, RunDirectory, SweepRecord
from wavesweep.workspace.index import recorded_below

SECONDS_AFTER_COMMAND = 4.0  # to end a delivery, once the command has vanished
SECONDS_BETWEEN_ROUNDS = 2.0
SHARE = 0.02  # of a core's time, that delivering what goes on may cost
Answer = Callable[[dict[str, Any]], None]


def main() -> None:
    """Follow what stdin says until it ends, or the process that is named on the command line does."""
    for signum in (signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    Thread(target=_end_with, args=(int(sys.argv[2]),), daemon=True).start()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries print would be taken for an answer
    gc.set_threshold(100_000, 50, 100)  # imports make many objects and little garbage
    serve(sys.stdin, answers)
    os._exit(0)  # Python would look for garbage for a second, and wait for requests that were given up


def _end_with(command: int) -> None:
    """End soon after the command: what is being delivered may come to its end."""
    wait_for_end_of(command)
    time.sleep(SECONDS_AFTER_COMMAND)
    os._exit(0)


def serve(orders: IO[str], answers: IO[str]) -> None:
    """Carry out orders, a line each, and deliver meanwhile; end when there are no more."""
    waiting: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def read() -> None:
        with orders:
            for line in orders:
                waiting.put(json.loads(line))
        waiting.put(None)

    def answer(values: dict[str, Any]) -> None:
        with suppress(OSError, ValueError):  # nobody listens any more
            answers.write(json.dumps(values) + "\n")
            answers.flush()

    Thread(target=read, daemon=True).start()
    first = waiting.get()
    if first is None or "end" in first:
        return
    try:
        following = Following(Tracking.model_validate(first["tracking"]), answer, lambda: not waiting.empty())
    except Refused as error:  # what a tracker needs is not installed
        if first["tracking"]["required"]:
            answer({"to": "required", "problem": str(error)})
        else:
            answer({"level": logging.WARNING, "text": str(error)})
        return
    pause = 0.0
    while True:
        order: dict[str, Any] | None = {}
        try:
            with suppress(queue.Empty):
                order = waiting.get(timeout=pause)
            if order is None or "end" in order:
                return
            following.carry_out(order)
            pause = 0.0 if order else following.deliver()
        except Exception as error:  # of a tracker, which may be anybody's, and must not cost the others
            answer({"level": logging.WARNING, "text": in_one_line(error)})
            if order and "last" in order:
                answer({"to": order["last"], "complete": False, "ids": {}})
            pause = SECONDS_BETWEEN_ROUNDS


class Following:
    """Follows runs and sweeps.

    Args:
        tracking: Who gets copies, and where.
        answer: Takes what is to be known.
        has_orders: Says whether an order waits.
    """

    def __init__(self, tracking: Tracking, answer: Answer, has_orders: Callable[[], bool]) -> None:
        self.delivery = Delivery(tracking)
        self.answer = answer
        self.has_orders = has_orders
        self.followed: dict[Path, Directory] = {}
        self.trials: dict[Path, Records] = {}
        self.delivered: dict[Path, _Copy] = {}
        self.complaints: dict[Path, dict[str, str]] = {}

    def carry_out(self, order: dict[str, Any]) -> None:
        """Do what an order says."""
        if "require" in order:
            self._require()
        elif "follow" in order:
            path = Path(order["follow"])
            self.followed[path] = _directory(path)
        elif "last" in order:
            self._deliver_rest(Path(order["last"]))

    def _require(self) -> None:
        problem = ""
        try:
            self.delivery.require()
        except Refused as error:
            problem = str(error)
        self.answer({"to": "required", "problem": problem})

    def deliver(self) -> float:
        """Deliver what has changed, until an order waits; return how many seconds to wait then."""
        spent = 0.0
        for directory in self._all():
            began = time.process_time()
            can_go_on = self._deliver(directory)
            if directory.path not in self.delivered or directory.path in self.followed:
                spent += time.process_time() - began
            self.answer({})  # so that nobody takes it for dead
            if self.has_orders() or not can_go_on:
                break
        return max(SECONDS_BETWEEN_ROUNDS, spent / SHARE)

    def _all(self) -> list[Directory]:
        """Return all that is followed; of a sweep of which a trial is damaged, none of the runs: others tell of it."""
        found: list[Directory] = []
        for root in self.followed.values():
            found.append(root)
            with suppress(Refused, OSError):
                found += self._runs(root)
        return found

    def _runs(self, root: Directory) -> list[RunDirectory]:
        """Return the runs of a sweep that have begun, and of which something may be missing."""
        if not isinstance(root, SweepRecord):
            return []
        if root.path not in self.trials:
            self.trials[root.path] = Records(root.sweep, root.sweep.read_plan())
        begun = [root.path / trial.directory for trial in self.trials[root.path].read() if trial.directory]
        runs = map(RunDirectory, begun)
        return [run for run in runs if run.undelivered.exists() and run.exists()]

    def _deliver(self, directory: Directory, patience: float = 0.0) -> bool:
        """Deliver a run or a sweep, if it has changed; say whether it makes sense to go on with others."""
        state = _state(directory)
        there = self.delivered.get(directory.path)
        if not state or (there and there.state == state):
            return True
        try:
            if not patience and _is_being_drawn(directory):
                return True
            outcome = self.delivery.deliver(directory, patience)
        except InUse as error:
            if patience:
                self._complain(directory.path, {"": str(error)})
            return True
        except (Refused, OSError) as error:  # of the directory
            self._complain(directory.path, {"": in_one_line(error)})
            return True
        what = directory.what
        problems = {who: f"{who} has not taken the {what} yet: {why}" for who, why in outcome.problems.items()}
        for who in self.complaints.get(directory.path, {}).keys() - {"", *problems, *outcome.left_alone}:
            self.answer({"level": logging.INFO, "text": f"{who} takes the {what} again"})
        left_alone = {who: f"{who} is left alone: {why}" for who, why in outcome.left_alone.items()}
        self._complain(directory.path, problems | left_alone)
        if not outcome.problems:
            self.delivered[directory.path] = _Copy(state, outcome.ids)
        return self.delivery.can_go_on()

    def _complain(self, path: Path, problems: dict[str, str]) -> None:
        """Say what is wrong with the copies of a directory, by whom it concerns, unless that was said last."""
        said = self.complaints.get(path, {})
        for who, text in problems.items():
            if said.get(who) != text:
                self.answer({"level": logging.WARNING, "text": text})
        self.complaints[path] = problems

    def _deliver_rest(self, path: Path) -> None:
        """Deliver for the last time what has ended: a sweep's runs, and then itself."""
        root = self.followed.pop(path, None) or _directory(path)
        runs: list[RunDirectory] = []
        complete = True
        try:
            runs = self._runs(root)
        except (Refused, OSError) as error:
            self._complain(path, {"": in_one_line(error)})
            complete = False
        can_go_on = True
        for directory in (*runs, root):
            _mark_vanished(directory)
            can_go_on = can_go_on and self._deliver(directory, SECONDS_TO_WAIT)
            self.answer({})
        complete = complete and not any(directory.undelivered.exists() for directory in (*runs, root))
        there = self.delivered.get(path)
        self.answer({"to": str(path), "complete": complete, "ids": there.ids if there else {}})


def follow(place: Path, local: Config, keys: Collection[str], *, trust: bool = False) -> None:
    """Deliver what changes below a place, until the process is told to end.

    Args:
        place: Of runs and sweeps, those included that are begun later.
        local: What is configured here and now.
        keys: Those of its values that take the place of the stored ones.
        trust: Whether servers that runs name may be sent passwords that are for another.
    """
    following: dict[str, Following] = {}
    by_path: dict[Path, Following] = {}
    said: dict[Path, str] = {}
    while True:
        pause = SECONDS_BETWEEN_ROUNDS
        for directory in recorded_below(place):
            if directory.path not in by_path and directory.undelivered.exists():
                try:
                    tracking = read_config(directory, local, keys, trust=trust).tracking
                except (Refused, OSError) as error:
                    text = in_one_line(error)
                    if said.get(directory.path) != text:
                        log.warning(text)
                    said[directory.path] = text
                    continue
                where = tracking.model_dump_json()
                if where not in following:
                    following[where] = Following(tracking, _tell, lambda: False)
                by_path[directory.path] = following[where]
                following[where].followed[directory.path] = directory
        for one in following.values():
            pause = max(pause, one.deliver())
        for path, one in [*by_path.items()]:
            if not one.followed[path].undelivered.exists():
                del one.followed[path], by_path[path]
        time.sleep(pause)


def _tell(answer: dict[str, Any]) -> None:
    if "text" in answer:
        log.log(answer["level"], answer["text"])


@dataclass(frozen=True)
class _Copy:
    """What has been delivered of a directory.

    Attributes:
        state: Of the directory.
        ids: The names by which the copies are found.
    """

    state: tuple[int, ...]
    ids: dict[str, list[str]]


def _directory(path: Path) -> Directory:
    sweep = SweepRecord(path)
    return sweep if sweep.exists() else RunDirectory(path)


def _state(directory: Directory) -> tuple[int, ...]:
    """Return what changes whenever there is more to deliver; nothing where there is no record yet."""
    with suppress(OSError):
        info = directory.info.stat()
        rows = directory.metrics.stat().st_size if directory.metrics.exists() else 0
        return info.st_mtime_ns, info.st_ino, rows
    return ()


def _is_being_drawn(directory: Directory) -> bool:
    """Say whether a run has ended, but its pictures are not all there."""
    if not isinstance(directory, RunDirectory) or directory.read_info().ended is None:
        return False
    return directory.lacks_pictures()


def _mark_vanished(directory: Directory) -> None:
    """Mark what counts as running killed, if its process has died."""
    with suppress(Refused, OSError):
        if directory.read_info().status == "running":
            with directory.locked():
                directory.mark_vanished()
