"""How the file system that holds a file is mounted, as far as this system tells: Linux does."""

import os
from pathlib import Path
from typing import NamedTuple

MOUNTS = Path("/proc/self/mountinfo")
OF_NETWORKS = ("afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "gpfs", "lustre", "nfs", "nfs4", "smb3")


class Mount(NamedTuple):
    """The kind of a file system, such as `nfs4`, empty where it is not known; and its options."""

    kind: str
    options: frozenset[str]

    @property
    def is_of_a_network(self) -> bool:
        """Whether other machines may write to it."""
        return self.kind in OF_NETWORKS


def mount_of(path: Path) -> Mount:
    """Return the mount of a file or folder that is there."""
    mounts = MOUNTS.read_text("utf-8", "replace") if MOUNTS.exists() else ""
    return parse(path.stat().st_dev, mounts)


def parse(device: int, mounts: str) -> Mount:
    """Return the mount of a device, by its number, from what Linux tells of all mounts."""
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.splitlines():
        of_mount, _, of_system = line.partition(" - ")
        words, (kind, *_, options) = of_mount.split(), of_system.split()
        if words[2] == number:
            return Mount(kind, frozenset([*words[5].split(","), *options.split(",")]))
    return Mount("", frozenset())
