"""The files of a run or of a model where MLflow keeps them: sent one by one, fetched without threads of its own."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from wavesweep.trackers.mlflow.bounds import bounded

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

FOLDER_OF_MLFLOW = re.compile(r"/(m-)?[0-9a-f]{32}/artifacts/?$")


def repository(client: "MlflowClient", address: str) -> "ArtifactRepository":
    """Return what lists, sends and fetches the artifacts at an address, as the client would, which asks where first."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(address, tracking_uri=client.tracking_uri)


def upload(client: "MlflowClient", path: Path, address: str, root: Path) -> None:
    """Send a file, or the files of a folder, to where they stand as seen from `root`.

    Raises:
        ValueError: If the store names a folder of this machine that is not of the kind MLflow makes.
    """
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    there = repository(client, address)
    is_local = isinstance(there, LocalArtifactRepository)
    if is_local and not FOLDER_OF_MLFLOW.search(address):  # a server could have any file replaced
        raise ValueError(f"it names {address} as the place of artifacts, which MLflow does not make so")
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    for file in files:
        sender = there if is_local else bounded(there, num_bytes=file.stat().st_size)
        folder = file.parent.relative_to(root).as_posix()
        sender.log_artifact(str(file), None if folder == "." else folder)


def download(client: "MlflowClient", address: str, limits: dict[str, int], to: Path, folder: str | None = None) -> None:
    """Fetch some of the files at an address, those that are there and not too large.

    Args:
        client: Of the store.
        address: Of a run's artifacts.
        limits: The most bytes that each file may have, by its path there.
        to: The folder that gets them.
        folder: The folder there that they stand in; None: none.
    """
    there = repository(client, address)
    for artifact in bounded(there).list_artifacts(folder):
        size = artifact.file_size or 0
        if size <= limits.get(artifact.path, -1):
            # download_artifacts has threads of its own, which Python would wait for in the end
            bounded(there, num_bytes=size)._download_file(artifact.path, str(to / artifact.path))
