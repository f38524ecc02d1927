"""Fingerprints of what results depend on beside the configuration: code, versions, platform, data."""

import getpass
import os
import platform
import subprocess
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from wavesweep.config import tag_names as names
from wavesweep.config.config import Config
from wavesweep.config.groups import conf_dir
from wavesweep.data.data import describe
from wavesweep.experiment.preparation import load_data

SOURCE = Path(__file__).parents[1]
PATCH = ("--binary", "--no-color", "--no-ext-diff", "--no-textconv")


def code() -> str:
    """Return the versions of what computes, and a digest of this package's source."""
    return f"{_versions('wavesweep')} ({source_digest()}), {_versions('torch', 'numpy')}"


@cache
def source_digest() -> str:
    """Return a digest of this package's source."""
    digest = sha256()
    for path in sorted(SOURCE.rglob("*.py")):
        digest.update(f"{path.relative_to(SOURCE).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def data(configs: list[Config]) -> str:
    """Return a digest of the data that configurations describe."""
    digest = sha256()
    for config in configs:
        digest.update("".join(str(part["digest"]) for part in describe(load_data(config))).encode())
    return digest.hexdigest()[:16]


@cache
def environment() -> dict[str, str]:
    """Return versions, platform, user and code as tags."""
    versions = _versions("wavesweep", "torch", "numpy", "mlflow", "hydra-core")
    changes = local_changes()
    committed = {}
    if changes is not None:
        committed = {names.COMMIT: _head() or "", names.LOCAL_CHANGES: "yes" if changes else "no"}
    return {
        names.VERSIONS: f"{versions}, python {platform.python_version()}",
        names.PLATFORM: platform.platform(),
        names.PROCESSOR: _processor(),
        names.SOURCE_DIGEST: source_digest(),
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": "wavesweep",
        "mlflow.source.type": "LOCAL",
        **committed,
    }


@cache
def local_changes() -> str | None:
    """Return the patch from the commit to the code that runs, new files included; None where git doesn't track it."""
    if _git("ls-files", "--error-unmatch", str(SOURCE)) is None or _head() is None:
        return None
    places, top = (str(SOURCE), str(conf_dir())), Path((_git("rev-parse", "--show-toplevel") or "").strip())
    new = (_git("ls-files", "-z", "--others", "--exclude-standard", "--", *places, place=top) or "").split("\0")
    added = [_git("diff", *PATCH, "--no-index", "--", os.devnull, path, place=top) or "" for path in filter(None, new)]
    return "".join([_git("diff", *PATCH, "HEAD", "--", *places, place=top) or "", *added])


def _versions(*packages: str) -> str:
    return ", ".join(f"{package} {version(package)}" for package in packages)


def _processor() -> str:
    """Return the model of the processor, as Linux tells it; else what Python knows."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _head() -> str | None:
    return (_git("rev-parse", "HEAD") or "").strip() or None


def _git(*command: str, place: Path | None = None) -> str | None:
    """Return what git says in a folder, by default this package's; None where it fails, as in an environment."""
    git = ["git", "-C", str(place or SOURCE), *command]
    try:
        done = subprocess.run(git, capture_output=True, encoding="utf-8", errors="surrogateescape")  # noqa: S603
    except OSError:
        return None
    return done.stdout if done.returncode == 0 or "--no-index" in command else None  # which fails where files differ
