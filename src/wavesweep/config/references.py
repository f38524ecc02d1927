"""References to elsewhere, which overrides that a sweep has stored may not make."""

import re

RESOLVERS = {"hydra", "oc.deprecated", "oc.dict.keys", "oc.dict.values", "oc.select"}
"""The resolvers that stored overrides may call: none depends on the machine or the moment, looks elsewhere, or
evaluates a text, as oc.create and oc.decode do: that could be put together from harmless pieces."""

_CALL = re.compile(r"\$\{\s*+([^{}:\s]*+)\s*+:")
_NESTED = re.compile(r"\$\{[^}$]*+\$")
_CALL_AFTER_NESTED = re.compile(r"\}[^{},:\s]*+\s*+:")


def strange_resolvers(text: str) -> set[str]:
    """Return the resolvers that a text calls and a stored override may not."""
    text = text.replace("\\", "")
    strange = set(_CALL.findall(text)) - RESOLVERS
    if _NESTED.search(text) and _CALL_AFTER_NESTED.search(text):
        strange.add("a name that is computed")
    return strange
