"""A real SLURM of two nodes on this machine, in a network namespace: its daemons listen on all interfaces."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.support.trees import wait_until

COMMANDS = ("slurmctld", "slurmd", "munged", "sbatch", "ip")
NODES = ("n0", "n1")
ADDRESS = "10.98.0.1"
SETTINGS = f"""
ClusterName=tests
SlurmctldHost={{host}}({ADDRESS})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={{place}}/munge/socket
SlurmctldPort=16817
StateSaveLocation={{place}}/state
SlurmdSpoolDir={{place}}/spool.%n
SlurmctldPidFile={{place}}/slurmctld.pid
SlurmdPidFile={{place}}/slurmd.%n.pid
SlurmctldLogFile={{place}}/slurmctld.log
SlurmdLogFile={{place}}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=2,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=10
InactiveLimit=0
KillWait=15
MpiDefault=none
NodeName=n0 NodeHostname={{host}} NodeAddr={ADDRESS} Port=16820 CPUs=2 RealMemory=4000
NodeName=n1 NodeHostname={{host}} NodeAddr={ADDRESS} Port=16821 CPUs=2 RealMemory=4000
PartitionName=low Nodes=n0,n1 Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=high Nodes=n0,n1 MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""
ACCOUNTING_COMMANDS = ("slurmdbd", "mariadbd", "mariadb-install-db")
DATABASE_PORT = 16306
WITHOUT_ACCOUNTING = "AccountingStorageType=accounting_storage/none"
WITH_ACCOUNTING = f"""
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost={ADDRESS}
AccountingStoragePort=16819
AccountingStoragePass={{place}}/munge/socket
JobAcctGatherType=jobacct_gather/linux
"""
SETTINGS_OF_ACCOUNTING = f"""
AuthType=auth/munge
AuthInfo=socket={{place}}/munge/socket
DbdHost={{host}}
DbdAddr={ADDRESS}
DbdPort=16819
SlurmUser=root
LogFile={{place}}/slurmdbd.log
PidFile={{place}}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={DATABASE_PORT}
StorageUser=slurm
StoragePass=slurm
StorageLoc=accounts
"""


def missing() -> str:
    """Return what a real SLURM can't be started without here; empty: nothing."""
    lacking = [command for command in COMMANDS if shutil.which(command) is None]
    if lacking:
        return f"{', '.join(lacking)} not installed (apt-get install slurm-wlm munge iproute2)"
    if getpass.getuser() != "root":
        return "namespaces and SLURM's daemons take root"
    name = f"probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return made.stderr.strip()


def missing_accounting() -> str:
    """Return what SLURM's accounting can't be started without here; empty: nothing."""
    lacking = [command for command in ACCOUNTING_COMMANDS if shutil.which(command) is None]
    return f"{', '.join(lacking)} not installed (apt-get install slurmdbd mariadb-server)" if lacking else ""


class Slurm:
    """Two nodes of two cores; `close` ends all.

    Args:
        place: An empty folder, for all that it leaves.
        accounting: Whether jobs are accounted for, by slurmdbd on a MariaDB.
    """

    def __init__(self, place: Path, *, accounting: bool = False) -> None:
        self.place, self.accounting = place, accounting
        self.namespace = f"slurm-{os.getpid()}{'-accounting' if accounting else ''}"
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._prepare()
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        munge = self.place / "munge"
        munge.mkdir(parents=True, mode=0o755)
        for name in ("state", "spool.n0", "spool.n1"):
            (self.place / name).mkdir()
        (munge / "key").write_bytes(os.urandom(1024))
        (munge / "key").chmod(0o400)
        (self.place / "cgroup.conf").write_text("CgroupPlugin=disabled\n")
        self.settings = self.place / "slurm.conf"
        accounting = WITH_ACCOUNTING if self.accounting else WITHOUT_ACCOUNTING
        lines = SETTINGS + accounting
        self.settings.write_text(lines.format(host=socket.gethostname(), place=self.place))
        self.variables = os.environ | {"SLURM_CONF": str(self.settings)}
        for words in (
            ("netns", "add", self.namespace),
            ("-n", self.namespace, "link", "set", "lo", "up"),
            ("-n", self.namespace, "addr", "add", f"{ADDRESS}/24", "dev", "lo"),
        ):
            subprocess.run(["ip", *words], check=True, capture_output=True)

    def _start(self) -> None:
        munge = self.place / "munge"
        options = [f"--key-file={munge}/key", f"--socket={munge}/socket", f"--pid-file={munge}/pid"]
        options += [f"--log-file={munge}/log", f"--seed-file={munge}/seed", "--force", "--foreground"]
        self.start("munged", "munged", *options)
        wait_until((munge / "socket").exists)
        if self.accounting:
            self._start_accounting()
        self.start("slurmctld", "slurmctld", "-D")
        for node in NODES:
            self.start(node, "slurmd", "-D", "-N", node)
        wait_until(lambda: self.ask("sinfo", "--noheader", "--format=%T %D").strip() == "idle 2", seconds=30)

    def _start_accounting(self) -> None:
        data = self.place / "database"
        making = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=root", "--skip-test-db"]
        subprocess.run(making, check=True, capture_output=True)
        first = self.place / "first.sql"
        # slurmdbd would make it, but MariaDB's library 11.8.9 reads nothing on a connection that failed once
        first.write_text(
            "CREATE DATABASE accounts;\n"
            "CREATE USER slurm@localhost IDENTIFIED BY 'slurm';\n"
            "GRANT ALL ON accounts.* TO slurm@localhost;\n"
        )
        options = [f"--datadir={data}", "--user=root", f"--socket={self.place}/database.socket", f"--init-file={first}"]
        options += ["--bind-address=127.0.0.1", f"--port={DATABASE_PORT}", f"--pid-file={self.place}/database.pid"]
        self.start("mariadbd", "mariadbd", "--no-defaults", *options)
        wait_until((self.place / "database.socket").exists)
        settings = self.place / "slurmdbd.conf"
        settings.write_text(SETTINGS_OF_ACCOUNTING.format(host=socket.gethostname(), place=self.place))
        settings.chmod(0o600)
        self.start("slurmdbd", "slurmdbd", "-D")
        wait_until(lambda: "User" in self.ask("sacctmgr", "list", "user"), seconds=30)

    def start(self, name: str, *words: str) -> None:
        """Start a daemon within the namespace."""
        with (self.place / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(
                self.within(*words), env=self.variables, stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )

    def kill(self, name: str) -> None:
        """Kill a daemon, as where a machine is gone; of a node, what it runs too."""
        daemon = self.daemons.pop(name)
        for number in _children(daemon.pid) if name in NODES else ():
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        daemon.kill()
        daemon.wait()

    def within(self, *words: str) -> list[str]:
        """Return a command that runs words within the namespace."""
        return ["ip", "netns", "exec", self.namespace, *words]

    def ask(self, *words: str) -> str:
        """Return what a command of SLURM's prints."""
        done = subprocess.run(self.within(*words), env=self.variables, capture_output=True, text=True, check=False)
        return done.stdout

    def states(self) -> dict[str, str]:
        """Return the state of each job that has not ended, by number."""
        return dict(line.split() for line in self.ask("squeue", "--noheader", "--format=%i %T").splitlines())

    def close(self) -> None:
        """End all jobs and daemons, and remove the namespace."""
        with suppress(OSError):
            self.ask("scancel", "--signal=KILL", *self.states())
        for name in reversed([*self.daemons]):
            daemon = self.daemons[name]
            daemon.terminate()
        for daemon in self.daemons.values():
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        inside = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=False)
        for number in inside.stdout.split():  # steps that outlived their daemon
            with suppress(ProcessLookupError):
                os.kill(int(number), signal.SIGKILL)
        time.sleep(0.1)
        subprocess.run(["ip", "netns", "del", self.namespace], check=False)


def _children(number: int) -> list[int]:
    """Return all processes that descend from one."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, listed.splitlines())}
    found: list[int] = []
    for child in parents:
        ancestor = child
        while ancestor in parents and ancestor != number:
            ancestor = parents[ancestor]
        if ancestor == number and child != number:
            found.append(child)
    return found
