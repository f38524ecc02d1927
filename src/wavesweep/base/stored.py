"""What runs and sweeps store, read as strictly as what anyone may have written: plain YAML, and sealed bytes."""

from collections.abc import Iterable, Iterator
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from hydra_queue_sweeper.base.errors import Refused, in_short
from hydra_queue_sweeper.base.files import open_small, read_small

MOST_YAML = 1 << 17  # bytes: fifty times what is usual
MOST_DEPTH = 32  # of groups and lists within each other
MOST_DIGITS = 1000


def seal(content: bytes) -> bytes:
    """Return content preceded by its SHA-256, since a flipped bit would load in silence."""
    return sha256(content).digest() + content


def read_sealed(path: Path, most: int) -> bytes:
    """Return the content that was sealed and written to a file.

    Raises:
        OSError: If it can't be opened.
        ValueError: If it isn't what was sealed, or more than `most` bytes.
    """
    with open_small(path, most) as file:
        digest = file.read(32)
        if file_digest(file, "sha256").digest() != digest:
            raise ValueError("the file is damaged: its SHA-256 differs from the one written with it")
        file.seek(32)
        return file.read()


def read_yaml(path: Path) -> dict[str, Any]:
    """Read plain values: no tags, and no aliases, of which a few lines could make more than memory holds.

    Raises:
        Refused: If there are others, or none, or the file can't be read.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it is there
    try:
        text = read_small(path, MOST_YAML).decode()
        _check_events(yaml.parse(text, loader))
        values = yaml.load(text, loader)  # noqa: S506  both are safe
        for value in leaves(values):
            _check_value(value)
    except OSError as error:
        raise Refused(f"{path} can't be read ({error.strerror}); restore it") from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise Refused(f"{path} is no configuration ({in_short(error)}); restore it") from None
    if not isinstance(values, dict):
        raise Refused(f"{path} is no configuration (it must hold keys and values); restore it")
    return values


def _check_events(events: Iterable[Any]) -> None:
    """Refuse what takes more time, memory or stack to load than its length tells."""
    import yaml

    depth = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("it must hold plain values, got an alias (*)")
        if getattr(event, "tag", None):
            raise ValueError(f"it must hold plain values, got the tag {event.tag}")
        number = isinstance(event, yaml.ScalarEvent) and event.implicit[0] and not event.value.strip("0123456789:_.+-")
        if number and len(event.value) > MOST_DIGITS:  # to base 60, their time is quadratic
            raise ValueError(f"a number must have at most {MOST_DIGITS} characters, got {len(event.value)}")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MOST_DEPTH:
            raise ValueError(f"at most {MOST_DEPTH} groups and lists may stand within each other")


def leaves(values: Any) -> Iterator[Any]:
    """Yield what nested groups and lists hold, keys included."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield from leaves(value)
            yield key
    elif isinstance(values, list):
        for value in values:
            yield from leaves(value)
    else:
        yield values


def _check_value(value: Any) -> None:
    """Refuse what YAML makes of some texts, such as dates, and whole numbers that nothing here can count with."""
    if not isinstance(value, str | int | float | None):
        raise ValueError(f"it must hold plain values, got a {type(value).__name__}")
    if isinstance(value, int) and abs(value) >= 1 << 64:
        raise ValueError(f"a whole number must be less than 2^64, got one of {value.bit_length()} bits")
