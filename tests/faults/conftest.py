"""What several tests of faults begin with; making it takes seconds."""

from pathlib import Path

import pytest

from tests.support.victims import make


@pytest.fixture(scope="session")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with runs and a sweep, to be copied; see `make`."""
    place = tmp_path_factory.mktemp("victims")
    make(place)
    return place
