"""Dependencies point downwards, and what starts fast imports nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from wavesweep.completion import WORDS

SOURCE = Path(__file__).parents[1] / "src" / "wavesweep"
ORDER = [
    ["refusals"],
    ["schema", "seeds", "redaction", "exit_codes", "interrupts", "failures", "groups", "terminal"],
    ["datasets", "models", "optimizers", "networks"],
    ["config"],
    ["shapes", "rundir"],
    ["splits"],
    ["forecasting"],
    ["metrics", "weights", "training"],
    ["baselines", "plots", "served_model"],
    ["experiment", "report", "tracking", "stored"],
    ["jobs", "deliveries"],
    ["runner"],
    ["hydra_errors"],
    ["compose"],
    ["resumption"],
    ["ui", "sync", "resume", "completion"],
    ["cli"],
    ["__main__", "__init__"],
]
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}
HYDRA_LEVEL, MLFLOW = LEVEL["hydra_errors"], {"tracking"}


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


@pytest.mark.parametrize("path", sorted(SOURCE.glob("*.py")), ids=lambda path: path.stem)
def test_a_module_depends_on_those_below_it(path: Path) -> None:
    for name in imports(path):
        package, _, module = name.partition(".")
        if package == "wavesweep" and module:
            assert LEVEL[module] <= LEVEL[path.stem], f"{path.stem} imports {module}"
        if package in ("hydra", "omegaconf"):
            assert LEVEL[path.stem] >= HYDRA_LEVEL, f"{path.stem} imports {package}"
        if package == "mlflow":
            assert path.stem in MLFLOW, f"{path.stem} imports mlflow"


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--cfg", "job"), ("--version",), *((word, "--help") for word in WORDS)], ids=" ".join
)
def test_help_imports_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    script = (
        "import sys\nfrom wavesweep.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    heavy = {'torch', 'mlflow', 'matplotlib', 'pandas', 'rich', 'pydantic'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
