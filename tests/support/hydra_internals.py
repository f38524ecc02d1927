"""What tests take of Hydra that it offers nobody: the one place of theirs that touches its internal names."""

from collections.abc import Iterator
from contextlib import contextmanager

from hydra._internal.callbacks import Callbacks as Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl as ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper as BasicSweeper
from hydra._internal.sources_registry import SourcesRegistry as SourcesRegistry
from hydra._internal.utils import create_config_search_path as create_config_search_path
from hydra.core.config_store import ConfigStore as ConfigStore
from hydra.core.singleton import Singleton
from hydra.version import VersionBase


def share_registered() -> None:
    """Let Hydra not copy all that is registered at each composition: what it takes of it, it copies again."""
    ConfigStore.__deepcopy__ = lambda self, _: self  # type: ignore[attr-defined]


@contextmanager
def no_version_base() -> Iterator[None]:
    """Forget which behaviour of Hydra's was chosen."""
    chosen = Singleton._instances.pop(VersionBase, None)
    try:
        yield
    finally:
        Singleton._instances.pop(VersionBase, None)
        if chosen is not None:
            Singleton._instances[VersionBase] = chosen
