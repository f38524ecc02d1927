"""Files that anyone may have written, and those that are written."""

import errno
import os
from pathlib import Path

import pytest
import yaml

from hydra_queue_sweeper.base import files
from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.files import (
    check_plain,
    remove_parts,
    within,
    write_atomically,
    write_new,
    write_yaml,
)
from wavesweep.base.stored import MOST_DEPTH, MOST_YAML, read_yaml


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
    (tmp_path / "file").symlink_to(tmp_path / "precious")
    write_atomically(tmp_path / "file", b"other")  # what is replaced is the link
    assert (tmp_path / "file").read_bytes() == b"other"
    assert (tmp_path / "precious").read_text() == "precious"


def test_what_is_half_written_takes_no_name_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "token_hex", lambda _: "01234567")
    there = tmp_path / ".file.01234567.part"
    (tmp_path / "precious").write_text("precious")
    there.symlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError, match="file"):
        write_atomically(tmp_path / "file", b"other")
    assert there.is_symlink()
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("can_link", [True, False])
def test_a_new_file_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, can_link: bool) -> None:
    def link(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    if not can_link:
        monkeypatch.setattr(os, "link", link)
    write_new(tmp_path / "new", b"ours")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "new", b"later")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "link", b"through it")
    assert (tmp_path / "new").read_bytes() == b"ours"
    assert sorted(os.listdir(tmp_path)) == ["link", "new"]  # noqa: PTH208


def test_only_our_own_temporary_files_are_removed(tmp_path: Path) -> None:
    for folder in ("below", ".folder.01234567.part"):
        (tmp_path / folder).mkdir()
    theirs = ["thesis.part", ".part", ".a.part", ".a.0123456.part", ".a.0123456x.part", "a.01234567.part"]
    for name in (*theirs, ".run.json.01234567.part", "below/.x.png.89abcdef.part"):
        (tmp_path / name).touch()
    remove_parts(tmp_path.rglob("*"))
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == sorted(theirs)
