"""Fingerprints of what results depend on beside the configuration: code, versions, platform, data."""

import getpass
import json
import platform
import subprocess
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from wavesweep.base import names
from wavesweep.config.config import Config
from wavesweep.config.groups import REFINER, read_option
from wavesweep.data.splits import describe
from wavesweep.runs.preparation import load_data


def code() -> str:
    """Return the versions of what computes, and a digest of this package's source.

    The option that the refinement takes from conf/ counts as source: no configuration holds it.
    """
    digest, root = sha256(), Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    digest.update(json.dumps(read_option(*REFINER)).encode())
    return f"{_versions('wavesweep')} ({digest.hexdigest()[:12]}), {_versions('torch', 'numpy')}"


def data(configs: list[Config]) -> str:
    """Return a digest of the data that configurations describe."""
    digest = sha256()
    for config in configs:
        digest.update("".join(str(part["digest"]) for part in describe(load_data(config))).encode())
    return digest.hexdigest()[:16]


@cache
def environment() -> dict[str, str]:
    """Return versions, platform, user and commit as tags."""
    commit, versions = _git_commit(), _versions("wavesweep", "torch", "numpy", "mlflow", "hydra-core")
    return {
        names.VERSIONS: f"{versions}, python {platform.python_version()}",
        names.PLATFORM: platform.platform(),
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": "wavesweep",
        "mlflow.source.type": "LOCAL",
        **({"mlflow.source.git.commit": commit} if commit else {}),
    }


def _versions(*packages: str) -> str:
    return ", ".join(f"{package} {version(package)}" for package in packages)


def _git_commit() -> str | None:
    """Return the commit of the code that runs; None where it isn't tracked by git, as in an environment."""
    here = Path(__file__)
    try:
        for command in (["ls-files", "--error-unmatch", here.name], ["rev-parse", "HEAD"]):
            git = ["git", "-C", str(here.parent), *command]
            done = subprocess.run(git, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
