"""How runs and sweeps are found: one meaning of a name for all commands."""

import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.workspace.directory import Directory, RunDirectory, SweepRecord
from wavesweep.workspace.index import LATEST, Wanted, find, find_run, find_sweep, latest_that, recorded_below
from wavesweep.workspace.info import RunInfo


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return outputs/ of a working directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    return Path("outputs")


def begun(kind: type[Directory], place: str, started: int, sweep_id: str | None = None) -> Directory:
    """Return a run or a sweep that was begun at a time."""
    path = Path("outputs", place)
    path.mkdir(parents=True)
    directory = kind(path)  # type: ignore[call-arg]
    directory.write_info(RunInfo([], {}, sweep_id, place, started=started, status="finished"))
    return directory


@pytest.fixture
def several() -> dict[str, Directory]:
    """Return two runs, two sweeps, and a run of the second, each begun after the one before it."""
    return {
        "first": begun(RunDirectory, "runs/first", 1),
        "grid-a": begun(SweepRecord, "sweeps/grid-a", 2, "grid-a"),
        "second": begun(RunDirectory, "runs/second", 3),
        "grid-b": begun(SweepRecord, "sweeps/grid-b", 4, "grid-b"),
        "trial": begun(RunDirectory, "sweeps/grid-b/0", 5, "grid-b"),
    }


@pytest.mark.parametrize(("wanted", "name"), [("run", "trial"), ("sweep", "grid-b"), ("run or sweep", "grid-b")])
def test_latest_is_what_was_begun_last(wanted: Wanted, name: str, several: dict[str, Directory]) -> None:
    found = find(LATEST, wanted)
    assert found
    assert found.path == several[name].path


@pytest.mark.parametrize("wanted", ["run", "sweep", "run or sweep"])
def test_latest_of_nothing_is_refused(wanted: Wanted) -> None:
    with pytest.raises(Refused, match=f"latest names the {wanted} begun last below outputs, but there is none"):
        find(LATEST, wanted)


@pytest.mark.parametrize(("wanted", "name"), [("run", "trial"), ("sweep", "grid-b"), ("run or sweep", "grid-b")])
def test_a_damaged_latest_is_refused_and_lists_pass_over_it(
    wanted: Wanted, name: str, several: dict[str, Directory], caplog: pytest.LogCaptureFixture
) -> None:
    damaged = several[name]
    damaged.info.write_text("{")
    with pytest.raises(Refused, match="is damaged"):
        find(LATEST, wanted)
    with caplog.at_level(logging.WARNING):
        found = latest_that(lambda directory, _: type(directory) is type(damaged))
    assert found
    assert found.path == {"trial": several["second"], "grid-b": several["grid-a"]}[name].path
    assert str(damaged.info) in caplog.text


def test_an_older_one_that_is_damaged_is_in_nobodys_way(several: dict[str, Directory]) -> None:
    several["first"].info.write_text("{")
    os.utime(several["first"].info, (0, 0))
    assert find_run(LATEST)


def test_a_sweep_of_another_program_has_no_record_and_is_found() -> None:
    path = Path("outputs", "sweeps", "theirs")
    path.mkdir(parents=True)
    (path / "sweep.json").write_text("{}")
    assert find_sweep(LATEST).path == find_sweep("theirs").path == path
    assert recorded_below(Path("outputs")) == []


def test_a_directory_names_what_lies_in_it(several: dict[str, Directory]) -> None:
    for directory in several.values():
        for wanted in ("run or sweep", directory.what):
            found = find(str(directory.path), wanted)  # type: ignore[arg-type]
            assert (type(found), found and found.path) == (type(directory), directory.path)
    with pytest.raises(Refused, match="is a sweep; name one of its runs"):
        find_run(str(several["grid-a"].path))
    with pytest.raises(Refused, match="is a run; name a sweep"):
        find_sweep(str(several["first"].path))


def test_a_sweep_is_called_by_its_id_or_how_that_alone_begins(several: dict[str, Directory]) -> None:
    assert find_sweep("grid-a").path == several["grid-a"].path
    with pytest.raises(Refused, match="grid is the beginning of 2 sweeps' ids; type more of it"):
        find_sweep("grid")
    begun(SweepRecord, "sweeps/grid", 9, "grid")
    assert find_sweep("grid").path == Path("outputs", "sweeps", "grid"), "a whole id comes before longer ones"
    with pytest.raises(Refused, match="nowhere must be a sweep's directory or id, or latest, got none"):
        find_sweep("nowhere")
    assert find("nowhere", "run or sweep") is None
    assert find_run("3f9a") is None, "MLflow may know a run whose id begins so"
    for name in ("grid-a", "no/where", "outputs"):
        with pytest.raises(Refused, match=f"{name} must be a run's directory or id, or latest, got none of them"):
            find_run(name)


def test_what_waits_is_told_by_its_record(several: dict[str, Directory]) -> None:
    assert latest_that(lambda _, info: info.status == "killed") is None
    several["first"].write_info(replace(several["first"].read_info(), status="killed"))
    found = latest_that(lambda _, info: info.status == "killed")
    assert found
    assert found.path == several["first"].path
