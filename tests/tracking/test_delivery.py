"""Delivery to any tracker: what one does, or lacks, costs neither others nor other runs."""

import sys
from pathlib import Path

import pytest

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.files import write_yaml
from tests.support.following import carry_out
from tests.support.parts import config, small
from wavesweep.config.config import Tracking, dump
from wavesweep.delivery import delivery
from wavesweep.delivery.sync import deliver_all
from wavesweep.experiment.preparation import prepare
from wavesweep.trackers.mlflow.store import connect
from wavesweep.tracking.follower_handle import Follower
from wavesweep.tracking.tracker import LeftAlone, Tracker, trackers
from wavesweep.workspace.directory import Directory, RunDirectory
from wavesweep.workspace.info import RunInfo


class Fake(Tracker):
    """Does with each directory what its name says."""

    taken: list[str]

    def deliver(self, directory: Directory) -> list[str]:
        name = directory.path.name
        if name == "alone":
            raise LeftAlone("it is another's")
        if name == "away":
            raise OSError("no route")
        self.taken.append(name)
        return [name]

    def is_delivered(self, directory: Directory) -> bool:
        return directory.path.name in self.taken

    def require(self) -> None:
        if "away" in self.taken:
            raise ValueError("nobody foresees this")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    one = Fake(small().tracking)
    one.taken = []
    monkeypatch.setattr(delivery, "trackers", lambda _: {"fake": one})
    return one


def ended(path: Path, *overrides: str) -> RunDirectory:
    """Make the directory of a run that has ended."""
    path.mkdir(parents=True)
    directory = RunDirectory(path)
    write_yaml(directory.config, dump(config("model=linear", *overrides)))
    directory.write_info(RunInfo([], {}, None, path.name).finished("failed", ""))
    return directory


def delivered(*runs: RunDirectory) -> list[bool]:
    """Return whether a follower has delivered runs, one after the other."""
    with Follower(small().tracking) as follower:
        return [follower.deliver_rest(run.path).complete for run in runs]


def test_each_run_is_told_of_by_itself(fake: Fake, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    runs = [ended(tmp_path / name) for name in ("one", "alone", "away", "two")]
    assert delivered(*runs) == [True, True, False, True]
    assert fake.taken == ["one", "two"]
    assert caplog.messages == ["Fake is left alone: it is another's", "Fake has not taken the run yet: no route"]
    assert [run.undelivered.exists() for run in runs] == [False, False, True, False]


def test_what_nobody_foresees_is_said_and_costs_no_other_run(
    fake: Fake, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    fake.taken.append("away")  # so that it fails where it is asked whether it can be reached
    assert delivered(ended(tmp_path / "away"), ended(tmp_path / "one")) == [False, True]
    assert "nobody foresees this" in caplog.text


def test_what_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    monkeypatch.setitem(sys.modules, "wavesweep.trackers.mlflow", None)
    tracking = small().tracking
    with pytest.raises(Refused, match=r"tracking.followers=mlflow can't be used .*; install what it needs"):
        trackers(tracking)
    with pytest.raises(Refused, match="install what it needs"), Follower(required(tracking)) as follower:
        follower.require()
    directory = RunDirectory(Path("any"))
    with Follower(tracking) as follower:
        assert not follower.deliver_rest(directory.path).complete
    assert "install what it needs, or leave it out" in caplog.text


def required(tracking: Tracking) -> Tracking:
    return tracking.model_copy(update={"required": True})


def test_each_run_has_its_own_tags(tmp_path: Path) -> None:
    store = f"tracking.uri=sqlite:///{tmp_path}/mlflow.db"
    runs = []
    for who in ("alice", "bob"):
        directory = RunDirectory(tmp_path / who)
        directory.path.mkdir()
        written = prepare(small("model=linear", store, f"tracking.tags={{who:{who}}}", "tracking.followers=[]"))
        carry_out(written, directory, RunInfo([], {}, None, who))
        runs.append(directory)
    local = config(store, "tracking.followers=[mlflow]")
    assert deliver_all(runs, local, ["tracking.followers"]) == {"delivered": 2}
    client, experiment = connect(local.tracking)
    found = {run.info.run_name: run.data.tags["who"] for run in client.search_runs([experiment])}
    assert found == {"alice": "alice", "bob": "bob"}
