"""Two nodes of their own kernel (User-Mode Linux) that mount one folder by NFS 4.2, all in a network namespace."""

import getpass
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.trees import wait_until

COMMANDS = ("linux.uml", "ganesha.nfsd", "mount.nfs", "modprobe", "ip")
MODULES = Path("/usr/lib/uml/modules")
SERVER = "10.99.0.1"
SECONDS_OF_LEASE = 20
# what it says where a processor has AMX, whose registers kernels up to 6.12 at least don't know
UNKNOWN_REGISTERS = "ptrace set fp regs failed, errno = 14"
SETTINGS = """
NFS_CORE_PARAM {{ Protocols = 4; Bind_addr = {server}; NFS_Port = 2049; Enable_NLM = false; Enable_RQUOTA = false;
    allow_set_io_flusher_fail = true; Plugins_Dir = "/usr/lib/x86_64-linux-gnu/ganesha"; }}
NFSV4 {{ Grace_Period = 5; Lease_Lifetime = {lease}; RecoveryBackend = fs; RecoveryRoot = {place}/recovery; }}
EXPORT {{ Export_Id = 1; Path = {place}/export; Pseudo = /export; Access_Type = RW; Squash = No_Root_Squash;
    SecType = sys; Protocols = 4; Transports = TCP; FSAL {{ Name = VFS; }} }}
LOG {{ Default_Log_Level = EVENT; }}
"""
# A node runs the scripts that appear in its folder, on the file system of this machine.
INIT = """#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs tmpfs /run; mount -t tmpfs shm /dev/shm
node=$(sed -E 's/.*node=([0-9]).*/\\1/' /proc/cmdline)
hostname node$node; exec > {place}/node$node/log 2>&1
ip link set lo up; ip link set vec0 up; ip addr add 10.99.0.1$node/24 dev vec0
modprobe -d {place}/root nfsv4
mount -t nfs -o vers=4.2 {server}:/export {place}/mnt || exit 1
cd {place}/node$node
touch booted
while true; do
    for script in *.sh; do
        if [ -f "$script" ]; then
            mv "$script" "$script.taken"
            (bash "$script.taken" > "$script.out" 2>&1; echo $? > "$script.code") &
        fi
    done
    sleep 0.3
done
"""


def missing() -> str:
    """Return what nodes can't be started without here; empty: nothing."""
    if lacking := [command for command in COMMANDS if shutil.which(command) is None]:
        packages = "user-mode-linux nfs-ganesha nfs-ganesha-vfs nfs-common kmod iproute2"
        return f"{', '.join(lacking)} not installed (apt-get install {packages})"
    if getpass.getuser() != "root":
        return "namespaces and kernels of their own take root"
    return "" if Path("/dev/net/tun").exists() else "there is no /dev/net/tun"


class CanNotBoot(Exception):
    """A kernel of User-Mode Linux that ends as it begins."""


class Nfs:
    """A server and two nodes, 1 and 2; `close` ends all.

    Args:
        place: An empty folder.

    Attributes:
        export: The folder that nodes share, as this machine sees it.
        mount: The same, as the nodes do.

    Raises:
        CanNotBoot: Where User-Mode Linux doesn't know this processor's registers.
    """

    def __init__(self, place: Path) -> None:
        self.place, self.namespace = place, f"nfs-{os.getpid()}"
        self.export, self.mount = place / "export", place / "mnt"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._prepare()
        try:
            settings = str(place / "ganesha.conf")
            self._start(
                "server", "ganesha.nfsd", "-F", "-f", settings, "-L", f"{place}/server.log", "-p", f"{place}/pid"
            )
            for node in (1, 2):
                self._boot(node)
            wait_until(lambda: self._booted() or self._ended(), 120)
            if not self._booted():
                raise self._why_not()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        for name in ("export", "mnt", "recovery", "node1", "node2", "root/lib/modules"):
            (self.place / name).mkdir(parents=True)
        for version in MODULES.iterdir():
            (self.place / "root/lib/modules" / version.name).symlink_to(version)
        values = {"place": self.place, "server": SERVER, "lease": SECONDS_OF_LEASE}
        (self.place / "ganesha.conf").write_text(SETTINGS.format(**values))
        (self.place / "init").write_text(INIT.format(**values))
        (self.place / "init").chmod(0o755)
        commands = [
            f"netns add {self.namespace}",
            f"-n {self.namespace} link set lo up",
            f"-n {self.namespace} link add br0 type bridge",
            f"-n {self.namespace} addr add {SERVER}/24 dev br0",
            f"-n {self.namespace} link set br0 up",
        ]
        for node in (1, 2):
            commands += [
                f"-n {self.namespace} tuntap add dev tap{node} mode tap",
                f"-n {self.namespace} link set tap{node} master br0 up",
            ]
        for command in commands:
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)

    def _booted(self) -> bool:
        return all((self.place / f"node{node}" / "booted").exists() for node in (1, 2))

    def _ended(self) -> bool:
        return any(process.poll() is not None for process in self.processes.values())

    def _why_not(self) -> Exception:
        said = "".join(path.read_text(errors="replace") for path in sorted(self.place.glob("*.out")))
        if UNKNOWN_REGISTERS in said:
            return CanNotBoot(f"User-Mode Linux can't boot on this processor: {UNKNOWN_REGISTERS}")
        return AssertionError(said)

    def _start(self, name: str, *words: str) -> None:
        with (self.place / f"{name}.out").open("ab") as out:
            self.processes[name] = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *words],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _boot(self, node: int) -> None:
        network = f"vec0:transport=tap,ifname=tap{node},mac=02:00:00:00:00:1{node}"
        root = ("root=none", "rootfstype=hostfs", "rootflags=/", "rw", f"init={self.place}/init")
        console = ("con=null", "con0=null,fd:1", "quiet")
        self._start(
            f"node{node}",
            "linux.uml",
            "mem=800M",
            *root,
            f"umid={self.namespace}-{node}",
            f"node={node}",
            network,
            *console,
        )

    def run(self, node: int, name: str, words: Sequence[str]) -> None:
        """Start a command on a node."""
        folder = self.place / f"node{node}"
        lines = (f"cd {shlex.quote(str(self.place))}", "export OMP_NUM_THREADS=1", shlex.join(words))
        (folder / f"{name}.part").write_text("\n".join(lines))
        (folder / f"{name}.part").rename(folder / f"{name}.sh")

    def said(self, node: int, name: str, seconds: float = 240) -> str:
        """Wait for the end of a command on a node; return what it said."""
        code, output = (self.place / f"node{node}" / f"{name}.sh.{kind}" for kind in ("code", "out"))
        wait_until(code.exists, seconds)
        text = output.read_text()
        assert code.read_text().strip() in ("0", ""), text
        return text

    def kill(self, node: int) -> None:
        """Let a node be gone at once, as by a power failure."""
        self._end(self.processes.pop(f"node{node}"))

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        """End all."""
        for process in self.processes.values():
            self._end(process)
        subprocess.run(["ip", "netns", "del", self.namespace], check=False)
