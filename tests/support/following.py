"""Runs carried out as a program does, and their follower in a thread of this process, which has imported MLflow."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread

from wavesweep.delivery.follower import serve
from wavesweep.evaluation.scores import Metrics
from wavesweep.experiment.events import Event, Recorded
from wavesweep.experiment.preparation import Prepared
from wavesweep.runs.execute import Outcome, execute, proceed, to_the_end
from wavesweep.tracking import follower_handle
from wavesweep.tracking.follower_handle import Follower
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.info import RunInfo

open_process = follower_handle.open_process
"""Starts a follower indeed."""
Listen = Callable[[int, Metrics, int], object]
"""Is told of each recorded epoch, its metrics, and how many epochs there are."""


@dataclass(frozen=True)
class Listener:
    """Observes an experiment, and tells of its records."""

    listen: Listen

    def on(self, event: Event) -> None:
        """See `Observer.on`."""
        if isinstance(event, Recorded):
            self.listen(event.epoch, event.metrics, event.epochs)


def carry_out(prepared: Prepared, directory: RunDirectory, info: RunInfo, listen: Listen = lambda *_: None) -> Outcome:
    """Run what is prepared in a directory, which is there, and have it delivered."""
    with Follower(prepared.config.tracking) as one:
        return to_the_end(execute(prepared, directory, info, one, [Listener(listen)]))


def go_on(prepared: Prepared, directory: RunDirectory) -> Outcome:
    """Go on with a run that was stopped."""
    with Follower(prepared.config.tracking) as one, directory.locked():
        return to_the_end(proceed(prepared, directory, one))


class InThisProcess:
    """Stands for the process of a follower, as `subprocess.Popen` does: does its work in a thread."""

    def __init__(self, _module: str) -> None:
        orders, told = os.pipe()
        heard, answers = os.pipe()
        self.stdin, self.stdout = os.fdopen(told, "wb"), os.fdopen(heard, "rb")
        self._orders, self._answers = os.fdopen(orders), os.fdopen(answers, "w")
        self._thread = Thread(target=self._serve, name="follower in this process", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            serve(self._orders, self._answers)
        finally:
            with suppress(OSError):
                self._answers.close()

    def poll(self) -> int | None:
        """Return 0 once it has ended."""
        return None if self._thread.is_alive() else 0

    def wait(self) -> int:
        """Wait for its end."""
        self._thread.join()
        self.stdout.close()
        return 0
