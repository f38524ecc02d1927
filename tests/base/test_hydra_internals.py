"""What is used of Hydra's that it offers nobody: where, and that this release has it."""

import ast
from inspect import signature
from pathlib import Path

import pytest
from hydra.conf import JobConf
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from hydra.version import VersionBase
from omegaconf import OmegaConf

from hydra_queue_sweeper.base import hydra_internals
from tests.support.hydra_internals import BasicSweeper, Callbacks, ConfigLoaderImpl, create_config_search_path
from wavesweep.config.hydra_internals import get_args_parser

ROOT = Path(__file__).parents[2]
INTERNAL = {
    "src/hydra_queue_sweeper/base/hydra_internals.py": {
        "hydra._internal.config_loader_impl",
        "ConfigLoaderImpl._apply_overrides_to_config",
        "_return_value",  # of a JobReturn
    },
    "src/wavesweep/config/hydra_internals.py": {
        "hydra._internal",
        "hydra._internal.callbacks",
        "hydra._internal.utils",
    },
    "tests/support/hydra_internals.py": {
        "hydra._internal.callbacks",
        "hydra._internal.config_loader_impl",
        "hydra._internal.core_plugins.basic_sweeper",
        "hydra._internal.sources_registry",
        "hydra._internal.utils",
        "ConfigStore.__deepcopy__",
        "Singleton._instances",
    },
}
"""The internal names in each file that has any; what is imported from such a module is tested below."""

ON_VALUES = {name for names in INTERNAL.values() for name in names if "." not in name}


def internal_names(file: Path) -> set[str]:
    """Return the internal modules that a file imports, and the internal names that it takes of what is Hydra's."""
    tree = ast.parse(file.read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom | ast.Import)]
    found: set[str] = set()
    theirs: set[str] = set()
    for node in imports:
        module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        for one in node.names:
            path = f"{module}{one.name}"
            if path.partition(".")[0] in ("hydra", "omegaconf"):
                theirs.add(one.asname or one.name)
                if "._" in path:
                    found.add(module.rstrip(".") or path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            of = ast.unparse(node.value)
            if of.partition(".")[0] in theirs:
                found.add(f"{of}.{node.attr}")
            elif node.attr in ON_VALUES:
                found.add(node.attr)
    return found


def test_internal_names_stand_in_one_place_of_each_package() -> None:
    files = [path for folder in ("src", "tests", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
    found = {str(path.relative_to(ROOT)): names for path in files if (names := internal_names(path))}
    del found["tests/base/test_hydra_internals.py"]  # which imports nothing internal but takes it apart
    assert found == INTERNAL


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (ConfigLoaderImpl, ["config_search_path"]),
        (ConfigLoaderImpl._apply_overrides_to_config, ["overrides", "cfg"]),
        (Callbacks, ["config"]),
        (BasicSweeper.split_arguments, ["overrides", "max_batch_size"]),
        (create_config_search_path, ["search_path_dir"]),
        (get_args_parser, []),
    ],
)
def test_internal_functions_take_what_they_are_given(function: object, parameters: list[str]) -> None:
    assert [*signature(function).parameters] == parameters  # type: ignore[arg-type]


def test_a_job_s_outcome_is_what_it_returned_or_raised() -> None:
    assert vars(JobReturn())["_return_value"] is None
    error = ValueError()
    for outcome in (3, error):
        job = JobReturn()
        job.return_value = outcome
        assert hydra_internals.outcome(job) is outcome


def test_the_parser_has_the_flags_that_are_looked_at() -> None:
    flags = vars(get_args_parser().parse_args([]))
    actions = {"run", "multirun", "cfg", "info", "shell_completion"}
    assert actions | {"overrides", "help", "hydra_help", "resolve", "config_dir", "config_path", "config_name"} <= {
        *flags
    }


def test_hydra_s_node_tells_how_override_dirname_is_written() -> None:
    job = OmegaConf.structured(JobConf)
    assert {"kv_sep", "item_sep", "exclude_keys"} <= {*job.config.override_dirname}
    written = OmegaConf.to_container(job, resolve=False)["override_dirname"]  # type: ignore[call-overload,index]
    assert written in ("???", "${hydra_override_dirname:}")


def test_singletons_are_kept_by_their_types() -> None:
    VersionBase.instance()
    assert isinstance(Singleton._instances[VersionBase], VersionBase)
