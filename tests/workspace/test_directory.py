"""The files of a run."""

import errno
from pathlib import Path

import pytest

from hydra_queue_sweeper.base.errors import InUse, Refused
from hydra_queue_sweeper.base.files import write_atomically
from wavesweep.base.stored import read_sealed, seal
from wavesweep.workspace.directory import RunDirectory, SweepRecord
from wavesweep.workspace.info import RunInfo


def test_metrics_come_back_and_what_json_lacks_is_null(directory: RunDirectory) -> None:
    directory.append_metrics(1, {"a": 0.1, "b": float("nan")})
    directory.append_metrics(2, {"a": float("inf")})
    rows = directory.read_metrics()
    assert [(row["epoch"], row["a"]) for row in rows] == [(1, 0.1), (2, None)]
    assert rows[0]["b"] is None
    assert rows[0]["timestamp"] <= rows[1]["timestamp"]


def test_a_record_is_written_once(directory: RunDirectory) -> None:
    for epoch in (1, 2, None):
        directory.append_metrics(epoch, {"a": 1.0})
    before = directory.metrics.read_bytes()
    resumed = RunDirectory(directory.path)
    for epoch in (2, None):
        resumed.append_metrics(epoch, {"a": 2.0})
    assert directory.metrics.read_bytes() == before


def test_of_a_sweep_the_latest_record_comes_last_though_fewer_have_ended(tmp_path: Path) -> None:
    sweep = SweepRecord(tmp_path)
    failed, resumed, better = {"jobs/failed": 2.0}, {"jobs/failed": 0.0}, {"jobs/failed": 0.0, "objective": 1.0}
    for num_ended, metrics in ((4, failed), (4, failed), (2, resumed), (3, resumed), (5, better)):
        sweep.append_state(num_ended, metrics)
    found = [(row.pop("epoch"), row.pop("timestamp") and row) for row in sweep.read_metrics()]
    assert found == [(4, failed), (4, resumed), (5, better)]


def test_of_a_sweep_what_a_step_already_says_is_not_said_again(tmp_path: Path) -> None:
    sweep = SweepRecord(tmp_path)
    at_the_end = {"jobs/failed": 0.0, "objective": 1.0}
    concluded = at_the_end | {"test/closed_loop_scaled_mse": 2.0}
    for num_ended, metrics in ((3, {"jobs/failed": 0.0}), (4, at_the_end), (4, concluded), (4, concluded)):
        sweep.append_state(num_ended, metrics)
    found = [(row.pop("epoch"), row.pop("timestamp") and row) for row in sweep.read_metrics()]
    assert found == [(3, {"jobs/failed": 0.0}), (4, at_the_end), (4, {"test/closed_loop_scaled_mse": 2.0})]


def test_a_record_without_its_end_is_none(directory: RunDirectory) -> None:
    for epoch in (1, 2):
        directory.append_metrics(epoch, {"a": 1.0})
    whole = directory.metrics.read_bytes()
    directory.metrics.write_bytes(whole[:-3])
    resumed = RunDirectory(directory.path)
    assert [row["epoch"] for row in resumed.read_metrics()] == [1]
    resumed.append_metrics(2, {"a": 3.0})
    assert [(row["epoch"], row["a"]) for row in resumed.read_metrics()] == [(1, 1.0), (2, 3.0)]


def test_the_checkpoint_before_the_last_is_kept(directory: RunDirectory) -> None:
    for content in (b"1", b"2", b"3"):
        directory.save_checkpoint(content)
    assert read_sealed(directory.checkpoint, 100) == b"3"
    assert read_sealed(directory.previous_checkpoint, 100) == b"2"
    directory.remove_leftovers()
    assert list(directory.path.iterdir()) == []


def test_damaged_info_is_refused(directory: RunDirectory) -> None:
    for text in ("{", "[]", '{"colour": "red"}'):
        directory.info.write_text(text)
        with pytest.raises(Refused, match="damaged"):
            directory.read_info()


def test_run_info_comes_back(directory: RunDirectory) -> None:
    info = RunInfo(overrides=["seed=1", "name=ü"], choices={"dataset": "sine"}, sweep_id=None, name="seed 1")
    directory.write_info(info)
    assert directory.read_info() == info
    assert RunInfo([], {}, None, "a").run_key != RunInfo([], {}, None, "a").run_key


def test_a_damaged_file_is_noticed(tmp_path: Path) -> None:
    file, sealed = tmp_path / "file", bytearray(seal(b"weights"))
    file.write_bytes(sealed)
    assert read_sealed(file, 100) == b"weights"
    sealed[-1] ^= 1
    file.write_bytes(sealed)
    with pytest.raises(ValueError, match="damaged"):
        read_sealed(file, 100)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file"
    write_atomically(target, b"old")

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full") as caught:
        write_atomically(target, b"new")
    assert caught.value.filename == str(target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target], "what is left of the try would take room on a full disk"


def test_a_directory_is_locked_for_others_alone(directory: RunDirectory) -> None:
    with directory.locked(), directory.locked():
        other = RunDirectory(directory.path).locked()
        with pytest.raises(InUse, match="is in use by another process; wait for its end"), other:
            pass
    with RunDirectory(directory.path).locked():
        pass
