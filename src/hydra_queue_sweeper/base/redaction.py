"""Keeps secrets out of files, tags and messages."""

import logging
import re

NO_PASSWORDS = (
    "must not hold a password or token, since it is stored; give the whole address by MLFLOW_TRACKING_URI, or the "
    "password by MLFLOW_TRACKING_PASSWORD or PGPASSWORD"
)

# user:password@ or token@ of an address in a text, up to the last @ of what has no space or quote in it
_USERINFO = re.compile(r"\b([\w+]+)://(?:([^\s'\"/:@\\]*)\\?:)?[^\s'\"@]+(?:@[^\s'\"@/]+)*@")
_NAMES = "password|passwd|passphrase|pwd|token|secret|api[_-]?key|access[_-]?key|signature|credentials?"
_NAMED = re.compile(rf"(?i)((?:{_NAMES}|[?&]sig)=['\"]?|\bBearer )[^&;\s'\"]+")
_NAME = re.compile(rf"(?i)({_NAMES})$")


def without_password(text: str) -> str:
    """Return a text with the passwords and tokens of each address in it hidden."""
    return _NAMED.sub(r"\1***", _USERINFO.sub(lambda found: _hidden(found[1], found[2]) or found[0], text))


def public_address(address: str) -> str:
    """Return one address with its password or token hidden, whatever characters that holds."""
    scheme, _, rest = address.partition("://")
    userinfo, at, host = rest.rpartition("@")
    user, colon, _ = userinfo.partition(":")
    if at and (hidden := _hidden(scheme, user if colon else None)):
        address = f"{hidden}{host}"
    return _NAMED.sub(r"\1***", address)


def public_store(address: str) -> str:
    """Return the address of a store as `public_address` does; of a mistyped one that has an @, what follows that alone.

    In `http:/user:password@host` anything may be the password.
    """
    before, at, host = address.rpartition("@")
    return f"***@{host}" if at and ":" in address and "://" not in before else public_address(address)


def is_of_a_secret(name: str) -> bool:
    """Say whether a name is such as passwords, tokens and keys have."""
    return bool(_NAME.search(name))


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
