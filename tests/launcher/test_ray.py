"""Hydra's own launcher for Ray, on a real Ray of two nodes: it needs Hydra 1.4, so it has an environment of its own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.sweeping_elsewhere import SECONDS, Sweep
from tests.support.trees import wait_until

LACKING = "" if os.geteuid() == 0 and shutil.which("ip") else "namespaces take root and ip (apt-get install iproute2)"
pytestmark = [pytest.mark.clusters, pytest.mark.skipif(bool(LACKING), reason=LACKING)]
SOURCE = Path(__file__).parents[2] / "src"
PACKAGES = ("hydra-core==1.4.0rc3", "omegaconf==2.4.1rc1", "hydra-ray-launcher==1.4.0rc3")
ADDRESS = "127.0.0.1:9679"
RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_num_prestart_python_workers": "0", "RAY_raylet_start_wait_time_s": "120"}
NODE = ("--node-ip-address=127.0.0.1", "--num-cpus=2", "--object-store-memory=100000000", "--disable-usage-stats")


@dataclass
class Ray:
    """Two nodes within a network namespace: its daemons listen on all interfaces.

    Attributes:
        python: The interpreter of its environment.
        place: An empty folder with a short name, since sockets lie in it.
        namespace: Its name.
    """

    python: Path
    place: Path
    namespace: str

    def start(self) -> None:
        """Start the namespace and both nodes."""
        for command in (f"netns add {self.namespace}", f"-n {self.namespace} link set lo up"):
            subprocess.run(["ip", *command.split()], check=True)
        head = ("--head", "--port=9679", "--include-dashboard=false", f"--temp-dir={self.place}")
        for own in (head, (f"--address={ADDRESS}",)):
            words = [self.python.with_name("ray"), "start", *own, *NODE]
            subprocess.run(
                [*self.within, *words], cwd=self.place, check=True, env=self.variables, stdout=subprocess.DEVNULL
            )

    @property
    def within(self) -> list[str]:
        """The beginning of a command that runs within the namespace."""
        return ["ip", "netns", "exec", self.namespace]

    @property
    def variables(self) -> dict[str, str]:
        """The environment of its processes."""
        return os.environ | RAY | {"PATH": f"{self.python.parent}:{os.environ['PATH']}"}

    def processes(self, name: str = "") -> list[int]:
        """Return the processes within the namespace, those alone that were called by a name."""
        listed = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=False)
        found = []
        for number in map(int, listed.stdout.split()):
            with suppress(OSError):
                called = Path(f"/proc/{number}/cmdline").read_text().split("\0")[0]
                if not name or called.endswith(f"/{name}"):
                    found.append(number)
        return sorted(found)

    def close(self) -> None:
        """End all."""
        for number in self.processes():
            os.kill(number, signal.SIGKILL)
        wait_until(lambda: not self.processes())
        subprocess.run(["ip", "netns", "del", self.namespace], check=True)
        shutil.rmtree(self.place)


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ray]:
    environment = tmp_path_factory.mktemp("ray") / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", SOURCE, *PACKAGES], check=True, timeout=900)
    there = Ray(python, Path(tempfile.mkdtemp(prefix="ray-")), f"ray-{os.getpid()}")
    try:
        there.start()
        yield there
    finally:
        there.close()


def test_a_node_that_is_killed_takes_nothing_along(ray: Ray, tmp_path: Path) -> None:
    options = ("hydra/launcher=ray", f"hydra.launcher.ray.init.address={ADDRESS}", "hydra.sweeper.n_workers=4")
    sweep = Sweep(tmp_path, 24, 1.5, *options, before=ray.within, variables=ray.variables, python=ray.python)
    wait_until(lambda: len({process for *_, process in sweep.begun()}) >= 3, SECONDS)  # on both
    head, other = ray.processes("raylet")
    os.kill(other, signal.SIGKILL)
    sweep.end()
    sweep.check(24, deaths=2)
    sweep.check_as_on_one_machine("deaths")
    wait_until(lambda: ray.processes("raylet") == [head], SECONDS)
    assert not (ray.place / "sweep").exists(), "where its nodes were started"
