"""Single overrides in the grammar of Hydra's command line: taken apart, and written."""

import re
from typing import Literal

_PLAIN = re.compile(r"(?ai)(?!(?:null|true|false|nan|inf)$)[a-z_][\w./:-]*")


def key_of(override: str) -> str:
    """Return the key of an override, without the signs that may stand before it."""
    return override.partition("=")[0].lstrip("+~")


def written(value: object, quote: Literal["'", '"'] = "'") -> str:
    """Write a value such that Hydra reads it as the same.

    Args:
        value: Plain: null, a truth value, a number, a text, or a list of such, or a group of them by name.
        quote: Stands around texts that need one.
    """
    if isinstance(value, list | tuple):
        return f"[{','.join(written(one, quote) for one in value)}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{name}:{written(one, quote)}' for name, one in value.items())}}}"
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else _quoted(value, quote)
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _quoted(text: str, quote: str) -> str:
    from hydra.core.override_parser.types import Quote, QuotedString

    return QuotedString(text, Quote.single if quote == "'" else Quote.double).with_quotes()
