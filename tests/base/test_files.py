"""Files that anyone may have written, and those that are written."""

from pathlib import Path

import pytest
import yaml

from wavesweep.base.errors import Refused
from wavesweep.base.files import MOST_DEPTH, MOST_YAML, check_plain, read_yaml, within, write_atomically, write_yaml


@pytest.fixture(params=["libyaml", "Python"], autouse=True)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "Python":
        monkeypatch.delattr(yaml, "CSafeLoader")


def test_plain_values_come_back(tmp_path: Path) -> None:
    values = {"a": [1, 2.5, None, True, "ü", "1e3", "2020-01-01", "*"], "b": {"c": {}, "d": (1 << 64) - 1}}
    write_yaml(tmp_path / "file", values)
    assert read_yaml(tmp_path / "file") == values


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, f"a: {'[' * 32}1{']' * 32}"])
def test_deep_nesting_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(text[:MOST_YAML])
    with pytest.raises(Refused, match="file is no configuration"):
        read_yaml(tmp_path / "file")


def test_nesting_within_bounds_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(f"a: {'[' * (MOST_DEPTH - 1)}1{']' * (MOST_DEPTH - 1)}")
    assert list(read_yaml(tmp_path / "file")) == ["a"]


@pytest.mark.parametrize("name", ["", "0", "a/b", "a..b"])
def test_a_place_within(name: str, tmp_path: Path) -> None:
    assert within(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize("name", ["..", "a/../../b", "/", "/tmp", "${oc.env:HOME}", "a\0", "a" * 300, "link", "link/a"])  # noqa: S108
def test_no_place_within(name: str, tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "link").symlink_to(tmp_path)
    with pytest.raises(Refused, match="within"):
        within(tmp_path / "place", name)


def test_a_place_that_is_itself_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk" / "0").mkdir(parents=True)
    (tmp_path / "place").symlink_to(tmp_path / "disk")
    assert within(tmp_path / "place", "0") == tmp_path / "place" / "0"
    check_plain(tmp_path / "place", ["0", "not there"])


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "file.part").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="file"):
        write_atomically(tmp_path / "file", b"other")
    (tmp_path / "file").symlink_to(tmp_path / "precious")
    write_atomically(tmp_path / "file", b"other")  # what is replaced is the link, once nobody stands in its way
    assert (tmp_path / "file").read_bytes() == b"other"
    assert (tmp_path / "precious").read_text() == "precious"
