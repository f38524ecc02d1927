"""Dependencies point downwards, and what starts fast imports nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from wavesweep.cli.commands import WORDS

SOURCE = Path(__file__).parents[1] / "src" / "wavesweep"
ORDER = [
    ["refusals", "exit_codes"],
    ["schema", "seeds", "redaction", "interrupts", "repeating", "failures", "groups", "terminal", "results"],
    ["datasets", "models", "optimizers", "networks"],
    ["config"],
    ["shapes", "rundir"],
    ["sweeps.task", "sweeps.space", "sweeps.options"],
    ["sweeps.store"],
    ["splits"],
    ["forecasting"],
    ["metrics", "weights", "training"],
    ["baselines", "plots", "served_model"],
    ["experiment", "report", "tracking", "stored", "fingerprints"],
    ["jobs", "deliveries"],
    ["runner"],
    ["sweeps.study", "sweeps.view", "sweeps.leaderboard"],
    ["sweeps.charts"],
    ["conclusion"],
    ["hydra_errors"],
    ["compose"],
    ["sweeps.composition", "sweeps.launcher"],
    ["sweeps.worker"],
    ["sweeps.planning"],
    ["sweeps.sweeper"],
    ["hydra_task"],
    ["hydra_app"],
    ["ui", "sync", "resume", "summary"],
    ["words"],
    ["completion"],
    ["cli"],
    ["__main__", "__init__", "sweeps.__init__"],
]
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}
HYDRA_LEVEL, HYDRA, MLFLOW = LEVEL["hydra_errors"], {"sweeps.space"}, {"tracking"}


def imports(path: Path) -> set[str]:
    """Return all that a module imports at run time, wherever it stands in the file."""
    names: set[str] = set()
    tree = ast.parse(path.read_text("utf-8"))
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body.clear()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "wavesweep":
            names |= {f"wavesweep.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def module_name(path: Path) -> str:
    """Return the name of a module within the package."""
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=module_name)
def test_a_module_depends_on_those_below_it(path: Path) -> None:
    own = module_name(path)
    for name in imports(path):
        package, _, module = name.partition(".")
        if package == "wavesweep" and module in LEVEL:
            assert LEVEL[module] <= LEVEL[own], f"{own} imports {module}"
        elif package == "wavesweep":
            assert module in ("", "sweeps"), f"{own} imports {module}, which has no place"
        if package in ("hydra", "omegaconf"):
            assert LEVEL[own] >= HYDRA_LEVEL or own in HYDRA, f"{own} imports {package}"
        if package == "mlflow":
            assert own in MLFLOW, f"{own} imports mlflow"


def test_a_sweep_knows_nothing_of_networks_or_mlflow() -> None:
    ours = {
        "refusals",
        "rundir",
        "terminal",
        "redaction",
        "interrupts",
        "failures",
        "hydra_errors",
        "report",
        "stored",
        "repeating",
    }
    for path in (SOURCE / "sweeps").glob("*.py"):
        names = {name.removeprefix("wavesweep.") for name in imports(path) if name.startswith("wavesweep.")}
        strangers = {name for name in names if not name.startswith("sweeps")} - ours
        assert not strangers, f"{path.name} imports {strangers}"


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--cfg", "job"), ("--version",), *((word, "--help") for word in WORDS)], ids=" ".join
)
def test_help_imports_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    script = (
        "import sys\nfrom wavesweep.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    heavy = {'torch', 'mlflow', 'matplotlib', 'pandas', 'rich', 'pydantic', 'optuna', 'scipy'}\n"
        "    heavy &= set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
