"""A program's own function that adds dimensions to proposals, as Optuna's own plugin for Hydra calls it."""

from collections.abc import Callable
from typing import Any

from hydra.utils import get_method
from omegaconf import DictConfig

from hydra_queue_sweeper.base.errors import Refused, in_one_line


def load_search_space(path: str | None, config: DictConfig) -> Callable[[Any], None] | None:
    """Return a function that takes a trial of Optuna's, and raises Refused where it fails; None for no path.

    Args:
        path: Of the program's function, dotted.
        config: The sweep's configuration, which the function gets as well.

    Raises:
        Refused: If there is no such function.
    """
    if path is None:
        return None
    try:
        function = get_method(path)
    except Exception as error:  # of importing the program's module
        text = f"hydra.sweeper.custom_search_space={path} must name a function ({in_one_line(error)})"
        raise Refused(f"{text}; write MODULE.FUNCTION") from None

    def extend(trial: Any) -> None:
        try:
            function(config, trial)
        except Exception as error:  # of the program
            raise Refused(f"hydra.sweeper.custom_search_space={path} fails: {in_one_line(error)}; mend it") from error

    return extend
