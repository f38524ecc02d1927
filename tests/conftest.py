"""The fixtures that all tests share."""

import gc
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support import composing, following, postgres, stores
from tests.support.commands import Command, call
from tests.support.servers import shared
from wavesweep.runs import drawer_handle
from wavesweep.tracking import follower_handle
from wavesweep.workspace.directory import RunDirectory


def pytest_configure() -> None:
    """Look for garbage more seldom, as the command does: imports make many objects and little garbage."""
    gc.set_threshold(100_000, 50, 100)


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return a directory of this session's that all workers of xdist have in common."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session", autouse=True)
def store_to_copy(common: Path) -> None:
    """Let stores be copies of one, here."""
    stores.template = common / "store.db"
    stores.copy_instead(stores.template)


@pytest.fixture(scope="session", autouse=True)
def options_read_once() -> None:
    """Let Hydra read each file of options once, here."""
    composing.read_once()


@pytest.fixture(scope="session", autouse=True)
def follower_in_this_process() -> None:
    """Let followers of runs in this process be threads of it: a process of its own would import MLflow each time."""
    follower_handle.open_process = following.InThisProcess  # type: ignore[assignment]


@pytest.fixture(scope="session", autouse=True)
def drawn_in_this_process() -> None:
    """Let pictures of runs in this process be drawn here."""
    drawer_handle._cores = lambda: 1  # type: ignore[assignment]


@pytest.fixture(scope="session")
def server(common: Path) -> Iterator[str]:
    """Give the address of a real MLflow server; its runs are told apart by their experiments."""
    with shared(common / "server") as uri:
        yield uri


@pytest.fixture(scope="session")
def database() -> Iterator[postgres.Postgres]:
    """Give a real PostgreSQL; tests that stop it start it again."""
    if lacking := postgres.missing():
        pytest.skip(lacking)
    there = postgres.Postgres()
    yield there
    there.remove()


@pytest.fixture(autouse=True)
def heard() -> None:
    """Let our loggers be heard, whatever a configuration of Hydra's has made of them in an earlier test."""
    for name in ("wavesweep", "hydra_queue_sweeper"):
        logging.getLogger(name).disabled = False
    logging.disable(logging.NOTSET)


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    path = tmp_path / "run"
    path.mkdir()
    return RunDirectory(path)


@pytest.fixture
def wavesweep(tmp_path: Path) -> Command:
    """Call the command in an empty directory."""
    return partial(call, cwd=tmp_path)
