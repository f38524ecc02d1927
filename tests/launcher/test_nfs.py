"""One sweep on two nodes that share a network's disk alone: no trial twice at once, and nothing lost with a node."""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from math import isnan, nan
from pathlib import Path

import pytest

from tests.support.nfs import SECONDS_OF_LEASE, CanNotBoot, Nfs, missing
from tests.support.trees import wait_until

pytestmark = [pytest.mark.clusters, pytest.mark.skipif(bool(missing()), reason=missing())]
JOBS = 20
PROGRAM = """
import os
import time
from pathlib import Path

import hydra


@hydra.main(version_base="1.3", config_path=None)
def main(config):
    told = Path(hydra.utils.get_original_cwd(), "told", f"{config.number} {os.uname().nodename} {os.getpid()}")
    told.write_text(f"{time.time()}")
    for _ in range(20):
        time.sleep(0.1)
    told.write_text(f"{told.read_text()} {time.time()}")
    return config.number / 7


if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def nfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nfs]:
    try:
        nodes = Nfs(tmp_path_factory.mktemp("nfs"))
    except CanNotBoot as error:
        pytest.skip(str(error))
    yield nodes
    nodes.close()


def spans(place: Path) -> dict[int, list[tuple[float, float, str]]]:
    """Return for each job when it began and ended, nan if it did not, and on which node."""
    found = defaultdict[int, list[tuple[float, float, str]]](list)
    for path in (place / "told").iterdir():
        number, node, _ = path.name.split()
        times = [float(word) for word in path.read_text().split()]
        if times:
            found[int(number)].append((times[0], times[1] if len(times) > 1 else nan, node))
    return {number: sorted(ones) for number, ones in found.items()}


def test_a_node_that_dies_takes_nothing_along(nfs: Nfs) -> None:
    (nfs.place / "program.py").write_text(PROGRAM)
    (nfs.place / "told").mkdir()
    sweep = nfs.export / "sweep"
    options = ("hydra/sweeper=queue", "hydra/launcher=processes", "hydra.sweeper.n_workers=2")
    own = (f"+number=range({JOBS})", f"hydra.sweep.dir={nfs.mount}/sweep", "hydra.sweeper.detach=true")
    python = Path(sys.executable)
    nfs.run(1, "sweep", [str(python), "program.py", "-m", *options, *own])
    assert "2 workers for 20 jobs" in nfs.said(1, "sweep")
    for name in ("first", "second"):
        words = [str(python.with_name("hydra-queue")), "work", f"{nfs.mount}/sweep", str(python), "program.py"]
        nfs.run(2, name, words)
    wait_until(lambda: sum(node == "node2" for ones in spans(nfs.place).values() for *_, node in ones) >= 3, 240)
    nfs.kill(2)
    killed = time.time()
    wait_until((sweep / "optimization_results.yaml").exists, 240)
    trials = [json.loads((sweep / f"trials/{number}.json").read_text()) for number in range(JOBS)]
    assert [trial["state"] for trial in trials] == ["finished"] * JOBS
    assert [trial["objective"] for trial in trials] == [number / 7 for number in range(JOBS)]
    assert sum(trial["deaths"] for trial in trials) <= 2
    cut_short = 0
    for ones in spans(nfs.place).values():
        for (_, ended, node), (began, *_) in pairwise(ones):
            assert node == "node2"
            assert isnan(ended)
            assert began - killed > SECONDS_OF_LEASE / 2, "while the lock could not be known to be free"
            cut_short += 1
    assert 1 <= cut_short <= 2
    assert {node for ones in spans(nfs.place).values() for *_, node in ones} == {"node1", "node2"}
