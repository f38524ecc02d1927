"""Hydra's reading of files of options, each done once for all tests, which compose some of them a thousand times."""

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource

from tests.support.hydra_internals import ConfigStore, SourcesRegistry, share_registered

Load = Callable[[ConfigSource, str], ConfigResult]
ANEW: dict[type[ConfigSource], Load] = {}
"""How each kind of source reads by itself."""


def read_once() -> None:
    """Let Hydra read no file of options again that is as it was, nor copy what is registered before it looks there."""
    Plugins.instance()  # which registers the kinds of sources
    for scheme, content in (("file", _in_folder), ("pkg", _in_package)):
        kind = SourcesRegistry.instance().resolve(scheme)
        ANEW[kind] = kind.load_config
        kind.load_config = _keeping(kind.load_config, content)  # type: ignore[method-assign]
    share_registered()


@contextmanager
def reading_anew() -> Iterator[None]:
    """Let Hydra read and copy as it does for its users, where what that costs is measured."""
    with pytest.MonkeyPatch.context() as patch:
        for kind, load in ANEW.items():
            patch.setattr(kind, "load_config", load)
        patch.delattr(ConfigStore, "__deepcopy__")
        yield


def _keeping(load: Load, content: Callable[[ConfigSource, str], bytes | None]) -> Load:
    """Return what reads a file again only where its content is another."""
    read: dict[tuple[object, ...], bytes] = {}

    def load_config(source: ConfigSource, config_path: str) -> ConfigResult:
        found = (source.provider, source.path, config_path, content(source, config_path))
        if found not in read:
            read[found] = pickle.dumps(load(source, config_path))
        return pickle.loads(read[found])  # noqa: S301

    return load_config


def _in_folder(source: ConfigSource, config_path: str) -> bytes | None:
    name = config_path if config_path.endswith((".yaml", ".yml")) else f"{config_path}.yaml"
    file = Path(source.path, name)
    return file.read_bytes() if file.is_file() else None


def _in_package(*_: object) -> None:
    """Say nothing: no test changes an installed package."""
