"""Full disks, places that can't be written, and memory that runs out: one line, and nothing is lost."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import SMALL, Command, call, environment, run_process
from tests.support.records import is_in_mlflow, on_disk
from tests.support.stores import ready
from wavesweep.config.composing import compose
from wavesweep.trackers.mlflow.store import connect

RUN = ("dataset.num_series=7", "dataset.length=40", "model=linear")
"""Leaves 170 kB, pictures and model in the end."""

NAMESPACE = ("unshare", "--mount", "--map-root-user", "sh", "-euc")
WAVESWEEP = f"""wavesweep() {{
    code=0; '{sys.executable}' -m wavesweep "$@" > out 2> err || code=$?
    echo $code
}}"""
FULL = """
    mkdir small; mount -t tmpfs -o size={size}k tmpfs small
    wavesweep {run} hydra.run.dir=small/run; mv err before
    mount -o remount,size=20m small
    wavesweep resume small/run
    cp -r small/run survived
"""
READ_ONLY = """
    mkdir fixed; cp -r '{run}' fixed/run; mount --bind fixed fixed; mount -o remount,bind,ro fixed
    wavesweep {arguments}
"""


def mounted(script: str, cwd: Path) -> list[int]:
    """Run a shell's script that may mount things, which nobody else sees; return the exit codes of its commands.

    What the last one says is in the files `out` and `err`.
    """
    if subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody else mount a disk")
    ready(cwd / "outputs" / "mlflow.db")
    line = [*NAMESPACE, f"{WAVESWEEP}\n{script}"]
    done = subprocess.run(line, cwd=cwd, env=environment(), capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [int(code) for code in done.stdout.split()]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a run that lacked nothing; its store is in outputs/ beside it."""
    cwd = tmp_path_factory.mktemp("straight")
    assert call(*RUN, "hydra.run.dir=run", cwd=cwd, pictures=True).returncode == 0
    return cwd / "run"


@pytest.mark.slow
@pytest.mark.parametrize("size", [20, 100, 140])
def test_a_full_disk_is_one_line_and_costs_nothing(size: int, straight: Path, tmp_path: Path) -> None:
    code, resumed = mounted(FULL.format(size=size, run=" ".join(RUN)), tmp_path)
    said = (tmp_path / "before").read_text()
    if code == 0:
        assert size > 160
    else:
        assert code == 1
        [failure] = [line for line in said.splitlines() if line.startswith("failed")]
        assert failure.startswith("failed: small/run/")
        assert failure.endswith(": No space left on device; free some space, then wavesweep resume small/run")
    again = (tmp_path / "err").read_text()
    assert resumed == 0, again
    assert "Traceback" not in said + again
    assert on_disk(tmp_path / "survived") == on_disk(straight)
    client, experiment = connect(compose(f"tracking.uri=sqlite:///{tmp_path}/outputs/mlflow.db").tracking)
    is_in_mlflow(client, experiment, tmp_path / "survived")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (
            (*RUN, "hydra.run.dir=fixed/new"),
            2,
            "wavesweep: fixed/new can't be made: {here}/fixed is not writable; make it so, or choose another "
            "hydra.run.dir",
        ),
        (
            (*RUN, "hydra.run.dir=run", "tracking.uri=sqlite:///fixed/mlflow.db"),
            4,
            "MLflow has not taken the run yet: Read-only file system",
        ),
        (("resume", "fixed/run"), 1, "wavesweep: fixed/run/.lock: Read-only file system; make it writable"),
        (("sync", "fixed"), 4, "fixed/run/.lock: Read-only file system; make it writable"),
    ],
    ids=["the run", "the store", "resume", "sync"],
)
def test_a_place_that_can_t_be_written_is_one_line(
    arguments: tuple[str, ...], code: int, line: str, straight: Path, tmp_path: Path
) -> None:
    assert mounted(READ_ONLY.format(run=straight, arguments=" ".join(arguments)), tmp_path) == [code]
    said = (tmp_path / "err").read_text()
    assert line.format(here=tmp_path) in said.splitlines()
    assert "Traceback" not in said
    assert {file.name for file in (tmp_path / "fixed").iterdir()} == {"run"}
    assert on_disk(tmp_path / "fixed" / "run") == on_disk(straight)
    if code == 4 and "run" in arguments[-2]:
        assert call("sync", "run", "tracking.uri=sqlite:///elsewhere.db", cwd=tmp_path).returncode == 0
        assert on_disk(tmp_path / "run")["rows"] == on_disk(straight)["rows"]


def test_a_place_that_is_gone_is_one_line(wavesweep: Command, tmp_path: Path) -> None:
    for arguments in (("sync", "gone"), ("resume", "gone")):
        done = wavesweep(*arguments)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("wavesweep: gone must be ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_memory_that_runs_out_is_one_line(tmp_path: Path) -> None:
    """A native library that can't go on without memory ends the process itself; the run counts as vanished then."""
    trained = (*SMALL[:3], "model=tiny", "training.epochs=6", "training.refine_epochs=2")
    expected = run_process(*trained, "hydra.run.dir=straight", cwd=tmp_path)
    assert expected.returncode == 0
    orderly = 0
    for megabytes in range(450, 1500, 300):
        run = tmp_path / str(megabytes)
        process = subprocess.run(
            [sys.executable, "-m", "wavesweep", *trained, f"hydra.run.dir={run}"],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            preexec_fn=lambda size=megabytes << 20: resource.setrlimit(resource.RLIMIT_AS, (size, size)),
        )
        assert "Traceback" not in process.stderr
        if process.returncode == 1 and "OpenBLAS error" not in process.stderr:
            failed = [line for line in process.stderr.splitlines() if line.startswith(("failed:", "wavesweep:"))]
            assert len(failed) == 1, process.stderr
            orderly += "out of memory; take smaller sizes or end other programs" in failed[0]
        if (run / "run.json").exists():
            assert call("resume", str(run), cwd=tmp_path, pictures=True).returncode == 0
            assert on_disk(run) == on_disk(tmp_path / "straight")
    assert orderly >= 2, "of 4"
