"""Errors of the typed configuration in words: the key, the rule, the value, the way out."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from hydra_queue_sweeper.base.errors import printable, shown, suggestion
from wavesweep.base.schema import members

MOST_PROBLEMS = 20  # shown of a configuration
MOST_CHARACTERS = 300  # shown of each


def explain(error: ValidationError, schema: type[BaseModel]) -> str:
    """Return the problems of a rejected configuration, one line each.

    Args:
        error: What pydantic raised.
        schema: The model that it rejected the values for.
    """
    problems = [details for details in error.errors(include_url=False) if not _follows_from_another(details)]
    problems = problems[:MOST_PROBLEMS]
    return "\n".join(dict.fromkeys(_printable(_problem(dict(details), schema)) for details in problems))


def _printable(text: str) -> str:
    """Return a text with each character escaped that would end its line, or that a terminal would obey."""
    short = text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 3] + "..."
    return printable(short).replace("\n", "\\n")


def _follows_from_another(details: Mapping[str, Any]) -> bool:
    """Say whether a list counts as too short only because an entry of it was rejected."""
    return details["type"] == "too_short" and len(details["input"]) >= details["ctx"]["min_length"]


_RULES = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be greater than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "finite_number": "must be finite",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must match {pattern}",
    "tuple_type": "must be a list",
    "dict_type": "must be a group of keys",
    "too_short": "must not be empty",
    "too_long": "must have at most {max_length} entries",
    "model_type": "must be a group of keys",
    "model_attributes_type": "must be a group of keys",
}


def _problem(details: dict[str, Any], schema: type[BaseModel]) -> str:
    kind = details["type"]
    value = details["input"]
    context = {name: _as_typed(limit) for name, limit in details.get("ctx", {}).items()}
    names, around, annotation = _walk(details["loc"], schema)
    key = ".".join(names)
    if kind == "extra_forbidden" and key == "experiment":
        return "an option of experiment must begin with the line # @package _global_; add it"
    if kind == "extra_forbidden":
        siblings = [".".join([*names[:-1], name]) for name in around.model_fields]
        return f"{key} is not a key of this configuration; {suggestion(key, siblings)}"
    if kind == "invalid_key":
        return f"{key} must be text, as all keys are; leave it out"
    if kind == "missing" and isinstance(details["loc"][-1], int):
        return f"{key.partition('[')[0]} must have {len(get_args(annotation))} entries, got {shown(value)}"
    if kind == "missing" and _parts(annotation):
        return f"{key} is missing; choose an option of this group"
    if kind == "missing":
        return f"{key} is missing; give it a value"
    if kind == "union_tag_not_found":
        return f"{key}.kind is missing; {suggestion('', _kinds(annotation))}"
    if kind == "union_tag_invalid":
        return f"{key}.kind: {context['tag']} is unknown; {suggestion(str(context['tag']), _kinds(annotation))}"
    if kind == "literal_error":
        expected = [name.strip("'") for name in context["expected"].replace(" or ", ", ").split(", ")]
        return f"{key}: {shown(value)} is unknown; {suggestion(str(value), expected)}"
    if kind == "value_error" and isinstance(value, Mapping):
        return f"{key}: {context['error']}"
    if kind == "value_error":
        return f"{key} {context['error']}"
    rule = _RULES[kind].format(**context) if kind in _RULES else details["msg"]
    return f"{key} {rule}, got {shown(value)}"


def _as_typed(limit: Any) -> Any:
    """Return a limit as people write it: 10000000.0 is 1e+07."""
    return f"{limit:g}" if isinstance(limit, float) else limit


def _walk(location: tuple[int | str, ...], schema: type[BaseModel]) -> tuple[list[str], type[BaseModel], Any]:
    """Follow pydantic's path to a value.

    Returns:
        The names that its user wrote, the part that the last of them stands in, and that name's annotation.
    """
    names: list[str] = []
    around = schema
    annotation: Any = schema
    for step in location:
        parts = _parts(annotation)
        if isinstance(step, int) and names:
            names[-1] += f"[{step}]"
        elif isinstance(step, int):  # a key that is no text
            names.append(str(step))
        elif len(parts) > 1:  # pydantic puts the kind between two names
            annotation = _kinds(annotation)[step]
        elif parts:  # else it is pydantic's name for one of the types that a value may have
            names.append(step)
            [around] = parts
            annotation = around.model_fields[step].annotation if step in around.model_fields else None
    return names, around, annotation


def _parts(annotation: Any) -> list[type[BaseModel]]:
    """Return the parts of the configuration that an annotation allows: one, those of a family, or none."""
    options = (annotation, *get_args(annotation))
    parts = [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]
    return [member for part in parts for member in members(part)]


def _kinds(annotation: Any) -> dict[str, type[BaseModel]]:
    """Return the parts of a union by their kinds."""
    return {kind: part for part in _parts(annotation) for kind in get_args(part.model_fields["kind"].annotation)}
