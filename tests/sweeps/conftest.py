"""A user's own folder of options, and what loads configurations from it."""

from pathlib import Path

import pytest

from hydra_queue_sweeper.base import locks
from tests.support.claiming import Claiming
from tests.support.hydra_internals import ConfigLoaderImpl
from tests.support.made import conf_loader
from tests.support.options import OWN


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    for name, text in OWN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="session")
def loader(own: Path) -> ConfigLoaderImpl:
    return conf_loader(own)


@pytest.fixture(params=["directory", "leases", "postgresql"])
def claiming(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Claiming:
    """Give each way of claiming trials; leases as where locks reach no other node."""
    if request.param == "leases":
        monkeypatch.setattr(locks, "_locks_hold", lambda *_: False)
    address = request.getfixturevalue("database").address if request.param == "postgresql" else None
    return Claiming(request.param, address)
