"""Locks between processes: those of the kernel, or leases that are renewed, where those reach no other node."""

import errno
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from hydra_queue_sweeper.base.mounts import mount_of

if TYPE_CHECKING:
    from filelock import BaseFileLock  # which takes long to import

SECONDS_OF_LEASE = 30.0  # that one outlasts its holder on another node; on the same, it ends at once
WITHOUT = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)
OF_ONE_NODE = {"nolock", "local_lock=flock", "local_lock=all", "localflock"}  # of NFS, and of Lustre


def make_lock(path: Path, patience: float = -1, poll_interval: float = 0.05) -> "BaseFileLock":
    """Return a lock that is not held yet.

    How long a lease of another node has not been renewed is known to the object alone that has looked: keep it.

    Args:
        path: Of its file.
        patience: Seconds to wait for it; -1: without end.
        poll_interval: Seconds between looks.
    """
    from filelock import FileLock, SoftFileLease

    if locks_hold(path.parent):
        return FileLock(path, timeout=patience, poll_interval=poll_interval, fallback_to_soft=False)
    return SoftFileLease(path, timeout=patience, poll_interval=poll_interval, lease_duration=SECONDS_OF_LEASE)


def is_lost(lock: "BaseFileLock") -> bool:
    """Say whether a lock that was taken is somebody else's by now, as a lease that could not be renewed in time."""
    return getattr(lock, "compromise", None) is not None


def locks_hold(folder: Path) -> bool:
    """Say whether the kernel's locks in a folder hold on all nodes that see it."""
    return _locks_hold(folder.stat().st_dev, folder)


@cache
def _locks_hold(_: int, folder: Path) -> bool:
    return has_locks(folder) and not OF_ONE_NODE & mount_of(folder).options


def has_locks(folder: Path) -> bool:
    """Say whether a folder's file system knows locks; where nothing can be written, whoever takes one is told."""
    try:
        import fcntl
    except ImportError:  # on Windows, which has others
        return True
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in WITHOUT
    return True
