"""Refusals, and errors told in one line with the way out. Help comes past here: nothing heavy is imported."""

import errno
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


def printable(text: str) -> str:
    """Return a text with each character escaped that a terminal would obey; the ends of lines stay."""
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


class Refused(ValueError):
    """A user's input that breaks a rule; its text names the key, the rule, the value and the way out."""

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))  # which may quote what a file holds


class InUse(Refused):
    """Another process holds a directory's lock."""


def first_of(error: Refused) -> str:
    """Return the first of the problems that a refusal tells a line each, and how many more there are."""
    problem, *more = str(error).splitlines()
    return f"{problem} (and {len(more)} more)" if more else problem


def suggestion(name: str, options: Iterable[str]) -> str:
    """Return "did you mean …?" for the nearest of the options, else the list of them.

    Args:
        name: What the user wrote.
        options: What can be written there.
    """
    nearest = get_close_matches(name, list(options), n=1, cutoff=0.6)
    if nearest:
        return f"did you mean {nearest[0]}?"
    return f"choose from {', '.join(sorted(options))}"


class Pruned(Exception):
    """Ends a run that its sweep gives up, since others do better; no failure."""


def shown(value: object) -> str:
    """Return a value as it is written on the command line, cut where it is long."""
    if isinstance(value, list | tuple):
        text = f"[{', '.join(shown(entry) for entry in value)}]"
    elif isinstance(value, str) and re.fullmatch(r"[-+.\d]+(e[-+]?\d+)?|null|true|false|nan|inf", value.lower()):
        text = f"the text '{value}'"
    elif isinstance(value, bool):
        text = str(value).lower()
    elif value is None:
        text = "null"
    else:
        text = str(value) or "nothing"
    return text if len(text) <= 60 else text[:57] + "..."


def relative(path: Path) -> Path:
    """Return a path as seen from the working directory, where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def in_short(error: Exception) -> str:
    """Return the first line of an error's text; of pydantic's, the place and the rule of the first problem."""
    if isinstance(error, ValueError) and hasattr(error, "errors"):
        first = error.errors(include_url=False)[0]  # type: ignore[attr-defined]
        place = ".".join(map(str, first["loc"])) or "it"
        return f"{place}: {first['msg']}".replace("\n", "\\n")
    return str(error).partition("\n")[0]


_OUT_OF_MEMORY = re.compile(
    "can.t allocate memory|out of memory|bad_alloc|map segment|cannot allocate|can.t start new thread", re.IGNORECASE
)

_WAYS_OUT = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "make it writable",
    errno.EACCES: "make it writable",
}


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether memory has run out: libraries such as torch raise a RuntimeError that tells it by its text alone."""
    return isinstance(error, MemoryError) or bool(_OUT_OF_MEMORY.search(str(error).partition("\n")[0]))


def in_one_line(error: BaseException, then: str = "") -> str:
    """Return an error in one line: the cause, the way out if it is known, and what to do `then`."""
    if isinstance(error, Refused):
        return str(error)
    if is_out_of_memory(error):
        what = "out of memory"
        way_out = "take smaller sizes or end other programs"
    elif isinstance(error, OSError) and error.filename:
        what = f"{relative(Path(str(error.filename)))}: {error.strerror}"
        way_out = _WAYS_OUT.get(error.errno or 0, "")
    else:
        text = str(error).partition("\n")[0]
        what = f"{type(error).__name__}: {text}"
        way_out = ""
    steps = ", then ".join(filter(None, [way_out, then]))
    return f"{what}; {steps}" if steps else what
