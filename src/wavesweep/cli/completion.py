"""Shell completion: Hydra's, and our commands and options in folders."""

import io
import os
from collections.abc import Callable
from contextlib import redirect_stdout

from wavesweep.cli.commands import COMMANDS
from wavesweep.config.groups import groups, options


def complete(hydra: Callable[[], int]) -> None:
    """Print what can follow the unfinished command line in `COMP_LINE`, a line each.

    Args:
        hydra: Prints Hydra's suggestions.
    """
    printed = io.StringIO()
    with redirect_stdout(printed):
        hydra()
    suggestions = printed.getvalue().split()
    words = os.environ.get("COMP_LINE", "").split(" ")
    if len(words) == 2:
        suggestions += COMMANDS
    # Hydra takes a folder of options, such as experiment/article, for a group of its own.
    for group in groups():
        if any("/" in option for option in options(group)):
            suggestions = [text for text in suggestions if not text.startswith(f"{group}/")] + [f"{group}="]
            suggestions += [f"{group}={option}" for option in options(group) if words[-1].startswith(f"{group}=")]
    print("\n".join(text for text in sorted(set(suggestions)) if text.startswith(words[-1])))
