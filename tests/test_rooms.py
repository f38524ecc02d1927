"""The rooms of the house: which may use which, and that what starts fast imports nothing heavy."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from itertools import accumulate
from pathlib import Path
from typing import get_args

import pytest

from wavesweep.cli.commands import COMMANDS
from wavesweep.config import tag_names
from wavesweep.evaluation import metric_names

SOURCE = Path(__file__).parents[1] / "src"
PACKAGES = {"hydra_queue_sweeper": "engine/", "wavesweep": ""}
"""Each with what stands before the names of its rooms."""

# A room may use those before it, and itself; what stands at the top of the package, the doors, may use all.
CHAIN = ["engine/base", "base", "data", "files", "models", "training", "evaluation", "config", "workspace"]
MAY_USE = dict(zip(CHAIN, map(set, accumulate([room] for room in CHAIN)), strict=True))
MAY_USE["engine/search"] = {"engine/base", "engine/search"}
MAY_USE["engine/sweeps"] = {"engine/base", "engine/search", "engine/sweeps"}
MAY_USE["engine/leaderboard"] = {"engine/leaderboard", *MAY_USE["engine/sweeps"]}
MAY_USE["engine/charts"] = {"engine/charts", *MAY_USE["engine/leaderboard"]}
MAY_USE["engine/cli"] = {"engine/cli", *MAY_USE["engine/charts"]}
MAY_USE["engine/launcher"] = {"engine/base", "engine/launcher"}
MAY_USE["drawing"] = {"drawing", "engine/charts", *CHAIN[:7]}
MAY_USE["experiment"] = {"experiment", *CHAIN[:8]}  # no directory
MAY_USE["tracking"] = {"tracking", *CHAIN[:8]}
MAY_USE["workspace"] |= {"engine/search", "engine/sweeps"}
MAY_USE["delivery"] = {"delivery", "tracking", *MAY_USE["workspace"]}
MAY_USE["trackers"] = {"trackers", "tracking", "experiment", *MAY_USE["workspace"]}
MAY_USE["runs"] = {"runs", "drawing", "experiment", "tracking", *MAY_USE["workspace"]}  # and nobody who gets copies
MAY_USE["ui"] = {"ui", *MAY_USE["trackers"]}
MAY_USE["leaderboard"] = {"leaderboard", *MAY_USE["runs"], *MAY_USE["engine/charts"]}
MAY_USE["reproduction"] = {"reproduction", *MAY_USE["runs"], *MAY_USE["trackers"]}
MAY_USE["cli"] = {"cli", "engine/launcher"}.union(*MAY_USE.values())

MOST_FLOORS = 9
LIBRARIES = {
    "mlflow": {"trackers"},
    "pandas": {"files", "reproduction"},
    "matplotlib": {"drawing", "engine/charts"},
    "optuna": {"engine/search", "engine/cli", "engine/charts"},
    "torch": {"models", "training", "evaluation", "config", "experiment", "runs"},
    "hydra": {"engine/base", "engine/search", "engine/sweeps", "engine/launcher", "config", "cli"},
    "omegaconf": {"engine/base", "engine/sweeps", "engine/launcher", "config", "cli"},
}
"""The rooms that may use a library; all may use the others."""


@cache
def modules() -> dict[str, Path]:
    """Return the package's files, by the names of their modules."""
    paths = sorted(path for package in PACKAGES for path in (SOURCE / package).rglob("*.py"))
    return {".".join(path.relative_to(SOURCE).with_suffix("").parts): path for path in paths}


@cache
def imports(path: Path) -> list[str]:
    """Return all modules that a file imports at run time, wherever it does."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body.clear()
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module
            assert node.level == 0
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found += (name if name in modules() else node.module for name in inner)
    return found


def room(name: str) -> str:
    """Return the room of a module; a door has none."""
    package, *rest = name.split(".")
    return PACKAGES[package] + rest[0] if len(rest) > 1 else ""


@pytest.mark.parametrize("name", modules())
def test_a_room_uses_those_below_it(name: str) -> None:
    for imported in imports(modules()[name]):
        library = imported.partition(".")[0]
        if room(name) and library in PACKAGES:
            assert room(imported) in MAY_USE[room(name)], f"{name} imports {imported}"
        if room(name) and library in LIBRARIES:
            assert room(name) in LIBRARIES[library], f"{name} imports {imported}"


def test_each_room_has_its_direction() -> None:
    assert {room(name) for name in modules()} - {""} == MAY_USE.keys()


def test_no_import_runs_in_a_circle() -> None:
    graph = {name: {one for one in imports(path) if one != name} & modules().keys() for name, path in modules().items()}
    list(TopologicalSorter(graph).static_order())  # which raises for a circle


@pytest.mark.parametrize("package", PACKAGES)
def test_there_are_few_floors(package: str) -> None:
    """A room stands a floor above the highest that it uses in its own package."""
    rooms: dict[str, set[str]] = {}
    for name, path in modules().items():
        if not room(name) or not name.startswith(package):
            continue
        used = {room(one) for one in imports(path) if one in modules() and one.startswith(package)}
        rooms.setdefault(room(name), set()).update(used - {room(name)})
    floors: dict[str, int] = {}
    for one in TopologicalSorter(rooms).static_order():
        floors[one] = 1 + max((floors[below] for below in rooms.get(one, ())), default=0)
    assert max(floors.values()) <= MOST_FLOORS


def test_each_name_of_a_metric_or_a_tag_is_written_once() -> None:
    named = {**vars(metric_names), **vars(tag_names)}
    known = {value for key, value in named.items() if key.isupper()} | {*get_args(metric_names.Objective)}
    known = {name for name in known if not name.isalpha()}  # plain words are keys of configurations and titles too
    assert {"train/loss", "wavesweep.run_key", "closed_loop_scaled_mse", "val/one_step_mse"} <= known
    for name, path in modules().items():
        texts = {node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)}
        where = {metric_names.__name__, tag_names.__name__}
        assert name in where or not texts & known, f"{name} writes {texts & known}"


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--cfg", "job"), ("--version",), *((name, "--help") for name in COMMANDS)], ids=" ".join
)
def test_help_imports_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    check_imports(
        arguments, {"torch", "mlflow", "matplotlib", "pandas", "rich", "pydantic", "optuna", "scipy"}, 0, tmp_path
    )


@pytest.mark.parametrize("override", ["datset=sine", "dataset.widht=3", "dataset=sin", "training=null", "seed=1,2"])
def test_an_override_that_can_t_be_applied_is_refused_with_nothing_heavy_imported(
    override: str, tmp_path: Path
) -> None:
    check_imports((override,), {"torch", "mlflow", "numpy", "pydantic"}, 2, tmp_path)


def check_imports(arguments: tuple[str, ...], heavy: set[str], code: int, place: Path) -> None:
    """Make sure that the command ends with an exit code, and imports none of some modules."""
    script = (
        "import sys\nfrom wavesweep.cli.main import main\n"
        f"try:\n    main()\nfinally:\n    imported = {heavy} & set(sys.modules)\n    assert not imported, imported\n"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], cwd=place, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert list(place.iterdir()) == []
