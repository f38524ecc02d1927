"""What results depend on beside the configuration is told by digests, a commit and a patch."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from wavesweep.runs import fingerprints


def git(place: Path, *command: str) -> None:
    identity = ("-c", "user.name=n", "-c", "user.email=e")
    subprocess.run(["git", "-C", str(place), *identity, *command], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let this package's code stand in a repository of its own, committed."""
    for name, text in {"src/a.py": "a = 1\n", "conf/b.yaml": "b: ü\n", "README.md": "c\n"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "init")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-m", "first")
    monkeypatch.setattr(fingerprints, "SOURCE", tmp_path / "src")
    monkeypatch.setattr(fingerprints, "conf_dir", lambda: tmp_path / "conf")
    fingerprints.local_changes.cache_clear()
    yield tmp_path
    fingerprints.local_changes.cache_clear()


def test_local_changes_are_a_patch_that_makes_them_again(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (repository / "README.md").write_text("it is no code\n")
    assert fingerprints.local_changes() == ""
    fingerprints.local_changes.cache_clear()
    clone = tmp_path_factory.mktemp("clone")
    git(repository, "clone", ".", str(clone))
    (repository / "src" / "a.py").write_text("a = 2\n")
    (repository / "conf" / "b.yaml").write_bytes(b"b: \xfc\n")
    (repository / "src" / "new.py").write_text("new = 1\n")
    patch = fingerprints.local_changes()
    assert patch
    (clone / "patch").write_bytes(patch.encode(errors="surrogateescape"))
    git(clone, "apply", "patch")
    for name in ("src/a.py", "conf/b.yaml", "src/new.py"):
        assert (clone / name).read_bytes() == (repository / name).read_bytes()


def test_code_that_git_does_not_track_has_no_commit(repository: Path) -> None:
    git(repository, "rm", "-r", "--cached", "src")
    assert fingerprints.local_changes() is None
