"""Strategies of hypothesis that damage a file: any of its bytes, or any value that stands in it."""

import io
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from math import inf, nan
from typing import Any, NamedTuple

import torch
import yaml
from hypothesis import reject
from hypothesis import strategies as st
from safetensors.torch import load, save

from wavesweep.base.stored import seal

Draw = Callable[[st.SearchStrategy[Any]], Any]


def nested(depth: int) -> list[Any]:
    """Return a list within lists."""
    return [nested(depth - 1)] if depth else []


PLAIN = [
    None, True, -1, 0, 1, 7, 0.5, 10**30, 1e308, nan, inf, "", "x", "7", "x" * 100_000, "\0", "a\nb", "\x1b]0;x\x07",
    "\u202eé", "${oc.env:HOME}", "${", "../x", "/", "x" * 300, [], {}, [1], {"x": 1}, {"x": [{}]}, nested(40),
    "2020-01-01",
]  # fmt: skip
TENSORS = [torch.tensor(nan), torch.zeros(0), torch.zeros(2, 3), torch.ones(1).bool(), torch.zeros(5).double()]


class Format(NamedTuple):
    """How what a file holds is read and written.

    Attributes:
        load: Gives what the bytes hold: nested groups and lists.
        dump: Gives the bytes.
        strange: What may take the place of a value.
    """

    load: Callable[[bytes], Any]
    dump: Callable[[Any], bytes]
    strange: list[Any] = PLAIN


def _save(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return seal(buffer.getvalue())


FORMATS = {
    "json": Format(json.loads, lambda values: json.dumps(values).encode()),
    "yaml": Format(yaml.safe_load, lambda values: yaml.safe_dump(values, sort_keys=False).encode()),
    "jsonl": Format(
        lambda content: list(map(json.loads, content.splitlines())),
        lambda rows: b"".join(json.dumps(row).encode() + b"\n" for row in (rows if isinstance(rows, list) else [rows])),
    ),
    "pt": Format(lambda content: torch.load(io.BytesIO(content[32:]), weights_only=True), _save, [*PLAIN, *TENSORS]),
    "safetensors": Format(load, save, TENSORS),
}
"""By what follows the point in a file's name."""


@st.composite
def damaged(draw: Draw, content: bytes, kind: str) -> bytes:
    """Draw what may stand in the place of a file."""
    form = FORMATS[kind]
    return draw(st.one_of(bytes_of(content), values_of(form.load(content), form)))


@st.composite
def bytes_of(draw: Draw, content: bytes) -> bytes:
    """Draw other bytes, or the same with some lost, changed or added at one place."""
    where = draw(st.integers(0, len(content) - 1))
    before, there, after = content[:where], content[where], content[where + 1 :]
    return draw(
        st.one_of(
            st.binary(max_size=200),
            st.just(before),
            st.just(before + after),
            st.integers(0, 7).map(lambda bit: before + bytes([there ^ 1 << bit]) + after),
            st.binary(min_size=1, max_size=3).map(lambda more: before + more + content[where:]),
        )
    )


@st.composite
def values_of(draw: Draw, values: Any, form: Format) -> bytes:
    """Draw the same with something strange in the place of a value, added to it, or with the value gone."""
    changed = {"": deepcopy(values)}
    around, key = draw(st.sampled_from([(changed, ""), *places(changed[""])]))
    strange = draw(st.sampled_from(form.strange))
    match draw(st.sampled_from(["put", "put", "put", "remove", "add"])):
        case "put":
            around[key] = strange
        case "remove" if around is not changed:
            del around[key]
        case _ if isinstance(around[key], dict):
            around[key][draw(st.sampled_from(["x", "", "\0", "a\nb", "${x}", "seed"]))] = strange
        case _ if isinstance(around[key], list):
            around[key].append(strange)
        case _:
            around[key] = [around[key], strange]
    try:
        return form.dump(changed[""])
    except (TypeError, ValueError):  # as of what is no tensor among tensors
        reject()


def places(values: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each group or list with each of its keys."""
    keys = list(values) if isinstance(values, dict) else range(len(values)) if isinstance(values, list) else ()
    for key in keys:
        yield values, key
        yield from places(values[key])
