"""Digests of what a result depends on beside its configuration."""

from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from wavesweep.config import Config
from wavesweep.shapes import fill_in
from wavesweep.splits import describe, load

PACKAGES = ("torch", "numpy")


def code() -> str:
    """Return the versions of what computes, and a digest of this package's source."""
    digest, root = sha256(), Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return f"wavesweep {version('wavesweep')} ({digest.hexdigest()[:12]}), {versions}"


def data(configs: list[Config]) -> str:
    """Return a digest of the data that configurations describe."""
    digest = sha256()
    for config in configs:
        digest.update("".join(str(part["digest"]) for part in describe(load(fill_in(config)))).encode())
    return digest.hexdigest()[:16]
