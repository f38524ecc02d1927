"""Where the YAML files stand, and which groups and options they make."""

from pathlib import Path


def conf_dir() -> Path:
    """Return the folder of the YAML files: inside the installed package, or at the checkout's top."""
    packaged = Path(__file__).parent / "conf"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "conf"


def groups() -> list[str]:
    """Return the groups of parts to choose from."""
    return sorted(folder.name for folder in conf_dir().iterdir() if folder.is_dir() and folder.name != "hydra")


def options(group: str) -> list[str]:
    """Return the options of a group; one in a folder of its own is named with it, such as `article/sine`."""
    folder = conf_dir() / group
    return sorted(file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml"))
