"""The folder of YAML files, its groups and options."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from wavesweep.base.errors import Refused
from wavesweep.base.files import read_yaml


def conf_dir() -> Path:
    """Return the folder of the YAML files: inside the installed package, or at the checkout's top."""
    package = Path(__file__).parents[1]
    packaged = package / "conf"
    return packaged if packaged.is_dir() else package.parents[1] / "conf"


def groups() -> list[str]:
    """Return the names of all config groups."""
    return sorted(folder.name for folder in conf_dir().iterdir() if folder.is_dir() and folder.name != "hydra")


def options(group: str) -> list[str]:
    """Return the options of a group; one in a folder of its own is named with it, such as `article/sine`."""
    folder = conf_dir() / group
    return sorted(file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml"))


def check_names(folder: Path, config_name: str | None = None) -> None:
    """Refuse a folder of the user's with a file that has the name of one of ours: Hydra would take ours.

    Args:
        folder: Of options.
        config_name: What is to be run, if that is not the default.

    Raises:
        Refused: With the first one.
    """
    if folder.resolve() == conf_dir().resolve():
        return
    names = [f"{group}/{option}.yaml" for group in groups() for option in options(group)]
    if config_name:
        names.append(f"{config_name.removesuffix('.yaml')}.yaml")
    for name in names:
        for own in (folder / name, (folder / name).with_suffix(".yml")):
            if own.exists() and (conf_dir() / name).exists():
                raise Refused(f"{own} has the name of a file of this package, which would be taken; rename it")


def check_searched(places: Iterable[str]) -> None:
    """Refuse folders of options that are not there: Hydra would warn, and go on without them.

    Args:
        places: As `hydra.searchpath` names them; those that are no folders, such as `pkg://PACKAGE`, are left to Hydra.

    Raises:
        Refused: With the first one.
    """
    for place in places:
        scheme, _, path = place.rpartition("://")
        if scheme in ("", "file") and not Path(path).is_dir():
            raise Refused(f"hydra.searchpath must name directories, got {path}, which is not there; leave it out")


def known_keys() -> set[str]:
    """Return all dotted keys that a configuration may have, and the names of the groups around them."""
    whole = read_yaml(conf_dir() / "config.yaml")
    keys = set(_dotted_keys(whole))
    for entry in (entry for one in whole["defaults"] if isinstance(one, dict) for entry in one):
        group, _, place = entry.partition("@")
        if group in groups() and group != "experiment":  # whose options give keys of other groups
            for option in options(group):
                values = read_yaml(conf_dir() / group / f"{option}.yaml")
                keys |= {place or group, *_dotted_keys(values, f"{place or group}.")}
    return keys


def _dotted_keys(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if name in ("defaults", "hydra"):  # which tell Hydra how to compose, and are no part of what it composes
            continue
        yield f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _dotted_keys(value, f"{prefix}{name}.")


def read_option(group: str, option: str) -> dict[str, Any]:
    """Return the values in an option's file."""
    from omegaconf import OmegaConf

    return cast("dict[str, Any]", OmegaConf.to_container(OmegaConf.load(conf_dir() / group / f"{option}.yaml")))
