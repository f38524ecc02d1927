"""What Hydra does for its own command line and offers nobody else: the one place that touches its internal names.

`tests/base/test_hydra_internals.py` names them, and fails where a release of Hydra's has others.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hydra._internal import hydra as of_hydra
from hydra._internal.callbacks import Callbacks
from hydra._internal.utils import get_args_parser as get_args_parser
from hydra.experimental.callback import Callback


@contextmanager
def calling_first(make: Callable[[], Callback]) -> Iterator[None]:
    """Let Hydra call, within the context, a callback of ours before all that a configuration names.

    What is configured can be overridden in a dozen spellings; this can't.
    """

    def callbacks(*arguments: Any, **options: Any) -> Callbacks:
        made = Callbacks(*arguments, **options)
        made.callbacks.insert(0, make())
        return made

    of_hydra.Callbacks = callbacks  # type: ignore[misc,assignment]
    try:
        yield
    finally:
        of_hydra.Callbacks = Callbacks  # type: ignore[misc]
