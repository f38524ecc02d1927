"""Keeps secrets out of files, tags and messages."""

import re

# user:password@ or token@ of an address, up to the last @ of what has no space or quote in it
_USERINFO = re.compile(r"(?<=://)(?:([^\s'\"/:@]*):)?[^\s'\"@]+(?:@[^\s'\"@/]+)*@")
_QUERY = re.compile(r"(?i)\b((?:password|passwd|pwd|token|secret)=)[^&;\s'\"]+")


def without_password(text: str) -> str:
    """Return a text with the passwords and tokens of each address in it hidden."""
    hidden = _USERINFO.sub(lambda match: f"{match[1]}:***@" if match[1] is not None else "***@", text)
    return _QUERY.sub(r"\1***", hidden)
