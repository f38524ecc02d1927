"""How a file system is mounted."""

import os
from pathlib import Path

from hydra_queue_sweeper.base.mounts import Mount, mount_of, parse

MOUNTS = """
22 27 0:20 / /proc rw,nosuid shared:5 - proc proc rw
36 35 0:98 / /home rw,relatime shared:1 master:2 - nfs4 host:/a\\040b rw,vers=4.2,local_lock=none
37 35 0:99 / /x rw - ext4 /dev/vda1 rw,nolock
""".strip()


def test_a_mount_is_found_by_its_device() -> None:
    home, x = parse(os.makedev(0, 98), MOUNTS), parse(os.makedev(0, 99), MOUNTS)
    assert (home.kind, home.is_of_a_network, x.kind, x.is_of_a_network) == ("nfs4", True, "ext4", False)
    assert home.options == {"rw", "relatime", "vers=4.2", "local_lock=none"}
    assert parse(os.makedev(9, 9), MOUNTS) == parse(os.makedev(0, 98), "") == Mount("", frozenset())


def test_this_system_tells(tmp_path: Path) -> None:
    assert mount_of(tmp_path).kind
