"""Copies of files: kept once, read where the file has changed or gone, and only where they are what was read."""

import gzip
import logging
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from hydra_queue_sweeper.base.errors import Refused
from tests.support.series_files import opened, written
from wavesweep.files import copies, reading
from wavesweep.files.copies import keep
from wavesweep.files.dataset import Csv

CONTENT = "date,a,b,c\n" + "".join(f"2024-01-{day:02},{day},{day**2},{-day}\n" for day in range(1, 8))


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Csv:
    """Return a data set whose file was read, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    reading._read_file.cache_clear()  # files of other tests are called so too
    return opened(written(Path("sales.csv"), CONTENT)).dataset


def values(dataset: Csv) -> np.ndarray:
    return dataset.open(0).load(0)[0]


def kept(dataset: Csv) -> Path | None:
    assert dataset.path is not None
    assert dataset.digest is not None
    return keep(dataset.path, dataset.digest)


def test_the_digest_is_the_file_s(dataset: Csv) -> None:
    assert dataset.digest == sha256(CONTENT.encode()).hexdigest()
    packed = opened(written(Path("sales.csv.gz"), gzip.compress(CONTENT.encode()))).dataset
    assert packed.digest != dataset.digest
    assert np.array_equal(values(packed), values(dataset))


@pytest.mark.parametrize("fate", ["changed", "gone"])
def test_the_copy_is_read_with_a_warning(dataset: Csv, fate: str, caplog: pytest.LogCaptureFixture) -> None:
    before = values(dataset)
    copy = kept(dataset)
    assert copy == Path("outputs/data") / str(dataset.digest)[:16] / "sales.csv"
    assert copy
    assert copy.read_text() == CONTENT
    written(Path("sales.csv"), "a\n1\n2\n") if fate == "changed" else Path("sales.csv").unlink()
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(values(dataset), before)
        assert dataset.open(0).lengths == (7,)
    cause = "must be the file that was read first" if fate == "changed" else "must be a file, but it is not there"
    [line] = caplog.messages
    assert line.startswith(f"sales.csv {cause}")
    assert line.endswith(f"; its copy {copy} is read")


def test_what_has_changed_without_a_copy_is_refused(dataset: Csv) -> None:
    written(Path("sales.csv"), "a\n1\n2\n")
    with pytest.raises(Refused, match=r"must be the file .*, but has changed; there is no copy of it at"):
        dataset.open(0)
    Path("sales.csv").unlink()
    with pytest.raises(Refused, match="must be a file, but it is not there; there is no copy of it at"):
        dataset.open(0)


def test_a_copy_that_was_changed_is_not_read(dataset: Csv) -> None:
    copy = kept(dataset)
    assert copy
    written(copy, CONTENT.replace("7", "8"))
    Path("sales.csv").unlink()
    with pytest.raises(Refused, match="there is no copy of it"):
        dataset.open(0)


def test_the_copy_is_made_once(dataset: Csv) -> None:
    copy = kept(dataset)
    assert copy
    before = copy.stat()
    assert kept(dataset) == copy
    assert copy.stat().st_mtime_ns == before.st_mtime_ns
    assert [*copy.parent.iterdir()] == [copy]


def test_what_is_large_or_other_is_not_kept(dataset: Csv, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keep("sales.csv", "0" * 64) is None
    monkeypatch.setattr(copies, "MOST_KEPT", 100)
    assert kept(dataset) is None
    assert not Path("outputs").exists()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux alone has such files")
def test_of_what_has_no_size_nothing_is_read() -> None:
    with pytest.raises(Refused, match=r"/proc/self/status is empty"):
        opened(Path("/proc/self/status"))
