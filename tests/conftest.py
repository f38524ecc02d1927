"""The fixtures that all tests share."""

from pathlib import Path

import pytest

from tests.support.commands import Command, command
from wavesweep.runs.directory import RunDirectory


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    path = tmp_path / "run"
    path.mkdir()
    return RunDirectory(path)


@pytest.fixture
def wavesweep(tmp_path: Path) -> Command:
    """Run the real command in an empty directory."""
    return lambda *arguments, cwd=tmp_path, **environment: command(*arguments, cwd=cwd, **environment)
