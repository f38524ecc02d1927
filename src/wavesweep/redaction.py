"""Keeps secrets out of files, tags and messages."""

import re


def without_password(text: str) -> str:
    """Return a text with the password of each address in it hidden."""
    return re.sub(r"(://[^/\s:@]*):[^/\s]*@", r"\1:***@", text)
