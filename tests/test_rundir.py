"""The files of a run."""

from pathlib import Path

import pytest
from filelock import Timeout

from wavesweep.rundir import RunDirectory, RunInfo, seal, unseal, write_atomically


def test_metrics_come_back_and_what_json_lacks_is_null(directory: RunDirectory) -> None:
    directory.append_metrics(1, {"a": 0.1, "b": float("nan")})
    directory.append_metrics(2, {"a": float("inf")})
    rows = directory.read_metrics()
    assert [(row["epoch"], row["a"]) for row in rows] == [(1, 0.1), (2, None)]
    assert rows[0]["b"] is None
    assert rows[0]["timestamp"] <= rows[1]["timestamp"]


def test_records_after_a_checkpoint_are_forgotten(directory: RunDirectory) -> None:
    for epoch in (1, 2, 3):
        directory.append_metrics(epoch, {"train/loss": 1.0})
    directory.append_metrics(None, {"test/one_step_mse": 1.0})
    directory.drop_metrics_after(2)
    assert [row["epoch"] for row in directory.read_metrics()] == [1, 2]


def test_run_info_comes_back(directory: RunDirectory) -> None:
    info = RunInfo(overrides=["seed=1", "name=ü"], choices={"dataset": "sine"}, sweep_id=None)
    directory.write_info(info)
    assert directory.read_info() == info
    assert info.name == "seed=1 name=ü"
    assert RunInfo([], {}, None).name == "defaults"
    assert RunInfo([], {}, None).run_key != RunInfo([], {}, None).run_key


def test_a_damaged_file_is_noticed() -> None:
    sealed = bytearray(seal(b"weights"))
    assert unseal(bytes(sealed)) == b"weights"
    sealed[-1] ^= 1
    with pytest.raises(ValueError, match="damaged"):
        unseal(bytes(sealed))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file"
    write_atomically(target, b"old")

    def fail(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"


def test_a_directory_is_locked_for_others_alone(directory: RunDirectory) -> None:
    with directory.lock(), directory.lock():
        other = RunDirectory(directory.path).lock()
        with pytest.raises(Timeout), other:
            pass
    with RunDirectory(directory.path).lock():
        pass
