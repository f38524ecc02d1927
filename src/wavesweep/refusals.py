"""What says no to a user. Help and completion come past here, so it imports nothing heavy."""

from collections.abc import Iterable
from difflib import get_close_matches


class Refused(ValueError):
    """A user's input that breaks a rule; its text names the key, the rule, the value and the way out."""


def suggestion(name: str, options: Iterable[str], group: Iterable[str] = ()) -> str:
    """Return "did you mean …?" for the nearest of the options, else the list of them.

    Args:
        name: What the user wrote.
        options: What can be written there.
        group: Keys of the groups around it, outermost first.
    """
    nearest = get_close_matches(name, list(options), n=1, cutoff=0.6)
    if nearest:
        return f"did you mean {'.'.join([*group, nearest[0]])}?"
    return f"choose from {', '.join(sorted(options))}"
