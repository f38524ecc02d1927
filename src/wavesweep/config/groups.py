"""The folder of YAML files, its groups and options."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from hydra_queue_sweeper.base.errors import Refused


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
    keys = set(_dotted_keys(read_option("", "config")))
    for _, group, place, _ in default_choices():
        for option in options(group):
            keys |= {place, *_dotted_keys(read_option(group, option), f"{place}.")}
    return keys


def default_choices() -> list[tuple[str, str, str, str]]:
    """Return what chooses each part: the key that does, its group, where the part stands, and the option by default."""
    entries = [entry for one in read_option("", "config")["defaults"] if isinstance(one, dict) for entry in one.items()]
    chosen = []
    for key, option in entries:
        group, _, place = key.partition("@")
        if group in groups() and group != "experiment":  # whose options give keys of other groups
            chosen.append((key, group, place or group, option))
    return chosen


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
