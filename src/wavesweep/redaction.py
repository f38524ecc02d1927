"""Keeps secrets out of files, tags and messages."""

import re

# user:password@ or token@ of an address in a text, up to the last @ of what has no space or quote in it
_USERINFO = re.compile(r"(?<!sqlite://)(?<!file://)(?<=://)(?:([^\s'\"/:@\\]*)\\?:)?[^\s'\"@]+(?:@[^\s'\"@/]+)*@")
_QUERY = re.compile(r"(?i)\b((?:password|passwd|pwd|token|secret)=)[^&;\s'\"]+")
_LOCAL = re.compile(r"(?:sqlite|file):", re.IGNORECASE)


def without_password(text: str) -> str:
    """Return a text with the passwords and tokens of each address in it hidden."""
    hidden = _USERINFO.sub(lambda match: f"{match[1]}:***@" if match[1] is not None else "***@", text)
    return _QUERY.sub(r"\1***", hidden)


def public_address(address: str) -> str:
    """Return one address with its password or token hidden, whatever characters that holds."""
    scheme, separator, rest = address.partition("://")
    if not separator or _LOCAL.match(address) or "@" not in rest:
        return _QUERY.sub(r"\1***", address)
    userinfo, _, host = rest.rpartition("@")
    user, colon, _ = userinfo.partition(":")
    return _QUERY.sub(r"\1***", f"{scheme}://{user + ':' if colon else ''}***@{host}")
