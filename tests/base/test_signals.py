"""A signal ends the program, also where Python drops what a handler raises."""

import signal
import subprocess
import sys
import textwrap

import pytest

CALLBACK = """
    class Referent: pass
    referent = Referent()
    reference = weakref.ref(referent, lambda _: signal.raise_signal(signal.{name}))
    del referent
"""
DESTRUCTOR = """
    class Dying:
        def __del__(self): signal.raise_signal(signal.{name})
    Dying()
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("place", [CALLBACK, DESTRUCTOR], ids=["callback", "destructor"])
def test_a_signal_is_answered_where_python_drops_exceptions(place: str, name: str) -> None:
    program = f"""
import signal, sys, time, weakref
from hydra_queue_sweeper.base import signals

signal.signal(signal.SIGINT, signal.default_int_handler)  # which background jobs of a shell ignore
signals.watch()
try:
{textwrap.indent(textwrap.dedent(place.format(name=name)), "    ")}
    time.sleep(30)
except signals.Interrupted as error:
    sys.exit(error.exit_code)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (128 + getattr(signal, name), "")


def test_what_else_is_dropped_is_told_as_before() -> None:
    program = """
from hydra_queue_sweeper.base import signals

class Dying:
    def __del__(self): raise ValueError("not a signal's")

signals.watch()
Dying()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert "not a signal's" in done.stderr


def test_a_signal_that_comes_again_before_the_place_is_left_is_answered() -> None:
    program = """
import signal, sys, time
from threading import Timer
from hydra_queue_sweeper.base import signals

class Hindered(Timer):
    times = 0

    def start(self):
        Hindered.times += 1
        if Hindered.times == 1:
            signal.raise_signal(signal.SIGTERM)
        super().start()

class Dying:
    def __del__(self): signal.raise_signal(signal.SIGTERM)

signals.Timer = Hindered
signals.watch()
try:
    Dying()
    time.sleep(30)
except signals.Interrupted as error:
    sys.exit(error.exit_code)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, "")
