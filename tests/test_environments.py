"""Other environments: the engine's own wheel where nothing else is, and all on the next release of Hydra."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.commands import SMALL, environment

SOURCE = Path(__file__).parents[1] / "src"
PAGE = SOURCE / "hydra_queue_sweeper" / "README.md"
HYDRA = [["hydra-core==1.3.8"], ["hydra-core==1.4.0rc3", "omegaconf==2.4.1rc1"]]
SWEEP = ("-m", "rate=1e-4,1e-3,1e-2", "momentum=0,0.9", "hydra.sweeper.pruner=median", "hydra.sweep.dir=sweep")


@pytest.mark.slow
@pytest.mark.parametrize("hydra", HYDRA, ids=" ".join)
def test_it_sweeps_without_torch_and_mlflow(hydra: list[str], tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=SOURCE, check=True, capture_output=True)
    [wheel] = tmp_path.glob("hydra_queue_sweeper-*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel), *hydra], check=True, timeout=600)
    for name in ("torch", "mlflow", "wavesweep", "pandas"):
        found = subprocess.run([python, "-I", "-c", f"import {name}"], capture_output=True, text=True)
        assert "ModuleNotFoundError" in found.stderr

    section = PAGE.read_text("utf-8").partition("## A program\n")[2]
    blocks = dict(reversed(re.findall(r"^```(python|yaml)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)))
    (tmp_path / "minimise.py").write_text(blocks["python"], "utf-8")
    (tmp_path / "minimise.yaml").write_text(blocks["yaml"], "utf-8")

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment(PYTHONWARNINGS="error::DeprecationWarning"),
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "best: 1.51309e-13 by job 5" in run(python, "minimise.py", *SWEEP)
    assert "best: 1.51309e-13 by job 5" in run(python, "minimise.py", *SWEEP, "hydra.sweeper.resume=true")
    drawn = ("-m", "rate=tag(log,interval(1e-4,1e-2))", "hydra.sweeper.n_trials=4", "hydra.sweep.dir=drawn")
    assert "best: " in run(python, "minimise.py", *drawn)
    command = tmp_path / "venv" / "bin" / "hydra-queue"
    assert "best: rate=0.01 momentum=0.9" in run(command, "summary", "sweep")
    plots = subprocess.run([command, "plots", "sweep"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    line = "pictures need matplotlib and scikit-learn; pip install 'hydra-queue-sweeper[plots]'"
    assert (plots.returncode, plots.stderr) == (2, f"hydra-queue: {line}\n")
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"{wheel}[plots]", *hydra], check=True, timeout=600)
    assert "sweep/plots/importance.png" in run(command, "plots", "sweep")
    assert "drawn/plots/importance.png" not in run(command, "plots", "drawn"), "of four configurations"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment with Hydra 1.4, and all else from this one."""
    place = tmp_path_factory.mktemp("next")
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    python = place / "bin" / "python"
    [packages] = (place / "lib").glob("python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    subprocess.run([python, "-m", "pip", "install", "--quiet", *HYDRA[1]], check=True, timeout=600)
    version = "import hydra; print(hydra.__version__)"
    assert subprocess.check_output([python, "-c", version], text=True).startswith("1.4")
    return python


@pytest.mark.slow
def test_the_engine_s_own_tests_pass_on_hydra_1_4(python: Path) -> None:
    rooms = [f"tests/{room}" for room in ("launcher", "leaderboard", "search", "sweeps")]
    command = [python, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", *rooms]
    own = environment(PYTHONPATH=str(SOURCE))
    done = subprocess.run(command, cwd=SOURCE.parent, env=own, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_wavesweep_runs_sweeps_and_resumes_on_hydra_1_4_without_a_warning(python: Path, tmp_path: Path) -> None:
    own = environment(PYTHONPATH=str(SOURCE), PYTHONWARNINGS="error")
    quick = (*SMALL, "model=linear", "tracking.followers=[]")
    for command in ([*quick], ["-m", *quick, "seed=0,1,2", "hydra.sweeper.timeout=0"], ["resume"]):
        done = subprocess.run(
            [python, "-m", "wavesweep", *command], cwd=tmp_path, env=own, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr
    assert "3 jobs: 3 finished" in done.stdout
