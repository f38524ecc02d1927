"""Modules that lie in the working directory and bear the names of Python's and of libraries are imported by nothing."""

import signal
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.commands import SMALL, environment
from tests.support.servers import free_port
from tests.support.trees import wait_until

pytestmark = pytest.mark.slow
OURS = {"wavesweep", "hydra_queue_sweeper", "hydra_plugins", "tests"}
QUICK = (*SMALL, "model=tiny")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a module of each name that can be imported."""
    place = tmp_path / "place"
    place.mkdir()
    struck = f"import sys\nopen({str(tmp_path / 'struck')!r}, 'a').write(f'{{__name__}}: {{sys.orig_argv}}\\n')\n"
    for name in {*sys.stdlib_module_names, *packages_distributions()} - OURS:
        if name.isidentifier():
            (place / f"{name}.py").write_text(f"{struck}raise SystemExit(9)\n")
    return place


def started(place: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start the console script, which doesn't look into the working directory either; what it says is piped."""
    with (place.parent / "said").open("w") as said:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "wavesweep", *arguments],
            cwd=place, env=environment(), stdout=said, stderr=said, text=True,
        )  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        (*QUICK,),
        ("-m", *QUICK, "seed=0,1", "hydra.sweeper.n_workers=2"),
        ("-m", *QUICK, "seed=0,1", "hydra/sweeper=basic", "hydra/launcher=joblib"),
    ],
    ids=["a run", "a sweep", "joblib"],
)
def test_by_a_run_or_a_sweep(place: Path, arguments: tuple[str, ...]) -> None:
    done = started(place, *arguments)
    assert done.wait(120) == 0, (place.parent / "said").read_text()
    assert not (place.parent / "struck").exists()


def test_by_the_server_of_the_ui(place: Path) -> None:
    served = started(place, "ui", "--port", str(free_port()), "--workers", "2")
    said = place.parent / "said"
    try:
        wait_until(lambda: "Ctrl-C" in said.read_text() or served.poll() is not None, 60)
    finally:
        served.send_signal(signal.SIGINT)
        served.wait(30)
    assert "Ctrl-C" in said.read_text()
    assert not (place.parent / "struck").exists()
