"""Keeps secrets out of files, tags and messages."""

import logging
import re

NO_PASSWORDS = (
    "must not hold a password or token, since it is stored; give the whole address by MLFLOW_TRACKING_URI, or the "
    "password by MLFLOW_TRACKING_PASSWORD or PGPASSWORD"
)

# user:password@ or token@ of an address in a text, up to the last @ of what has no space or quote in it
_USERINFO = re.compile(r"\b([\w+]+)://(?:([^\s'\"/:@\\]*)\\?:)?[^\s'\"@]+(?:@[^\s'\"@/]+)*@")
_QUERY = re.compile(r"(?i)\b((?:password|passwd|pwd|token|secret)=)[^&;\s'\"]+")


def without_password(text: str) -> str:
    """Return a text with the passwords and tokens of each address in it hidden."""
    return _QUERY.sub(r"\1***", _USERINFO.sub(lambda found: _hidden(found[1], found[2]) or found[0], text))


def public_address(address: str) -> str:
    """Return one address with its password or token hidden, whatever characters that holds."""
    scheme, _, rest = address.partition("://")
    userinfo, at, host = rest.rpartition("@")
    user, colon, _ = userinfo.partition(":")
    if at and (hidden := _hidden(scheme, user if colon else None)):
        address = f"{hidden}{host}"
    return _QUERY.sub(r"\1***", address)


def _hidden(scheme: str, user: str | None) -> str:
    """Return the beginning of an address without its secret; nothing where it has none: a user of a database alone."""
    if scheme.lower() in ("sqlite", "file") or (user is None and not scheme.lower().startswith("http")):
        return ""
    if user is None:
        return f"{scheme}://***@"
    return f"{scheme}://{user}:***@"


class Redacting(logging.Formatter):
    """Hides passwords in all that is logged, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as usual, less its secrets."""
        return without_password(super().format(record))
