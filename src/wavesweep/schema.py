"""What every part of the configuration has in common, and how a user is told what is wrong with it."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wavesweep.refusals import Refused as Refused
from wavesweep.refusals import suggestion as suggestion

Count = Annotated[int, Field(ge=1, le=10**9)]
NonNegativeInt = Annotated[int, Field(ge=0, le=10**9)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]


T = TypeVar("T")


class ConfigPart(BaseModel):
    """A typed, immutable part of the configuration.

    Its values stand in the YAML files of `conf/`; the class gives names, types, units and checks. There are
    no defaults, so no value is written twice.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def known(value: T | None) -> T:
    """Return a value that may be null in a configuration as written, but not once it is filled in."""
    assert value is not None
    return value


def keys_of(schema: type[BaseModel], prefix: str = "") -> list[str]:
    """Return all dotted keys that a configuration of this schema can have."""
    keys: list[str] = []
    for name, field in schema.model_fields.items():
        keys.append(prefix + name)
        for part in _parts(field.annotation):
            keys += keys_of(part, f"{prefix}{name}.")
    return list(dict.fromkeys(keys))


def explain(error: ValidationError, schema: type[BaseModel]) -> str:
    """Return the problems of a rejected configuration, one line each.

    Args:
        error: What pydantic raised.
        schema: The model that it rejected the values for.
    """
    problems = [details for details in error.errors(include_url=False) if not _follows_from_another(details)]
    return "\n".join(dict.fromkeys(_problem(dict(details), schema) for details in problems))


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
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
    "too_long": "must have {max_length} entries",
    "model_type": "must be a group of keys",
    "model_attributes_type": "must be a group of keys",
}


def _problem(details: dict[str, Any], schema: type[BaseModel]) -> str:
    kind, value = details["type"], details["input"]
    limits = details.get("ctx", {})
    context = {name: f"{limit:g}" if isinstance(limit, float) else limit for name, limit in limits.items()}
    names, around, annotation = _walk(details["loc"], schema)
    key = ".".join(names)
    if kind == "extra_forbidden":
        return f"{key} is not a key of this configuration; {suggestion(names[-1], around.model_fields, names[:-1])}"
    if kind == "missing" and isinstance(details["loc"][-1], int):
        return f"{key.partition('[')[0]} must have {len(get_args(annotation))} entries, got {shown(value)}"
    if kind == "missing":
        return f"{key} is missing; {'choose an option of this group' if _parts(annotation) else 'give it a value'}"
    if kind == "union_tag_not_found":
        return f"{key}.kind is missing; {suggestion('', _kinds(annotation))}"
    if kind == "union_tag_invalid":
        return f"{key}.kind: {context['tag']} is unknown; {suggestion(str(context['tag']), _kinds(annotation))}"
    if kind == "literal_error":
        expected = [name.strip("'") for name in context["expected"].replace(" or ", ", ").split(", ")]
        return f"{key}: {shown(value)} is unknown; {suggestion(str(value), expected)}"
    if kind == "value_error":
        return f"{key}{': ' if isinstance(value, Mapping) else ' '}{context['error']}"
    return f"{key} {_RULES.get(kind, str(details['msg'])).format(**context)}, got {shown(value)}"


def shown(value: object) -> str:
    """Return a value as it is written on the command line, cut where it is long."""
    if isinstance(value, list | tuple):
        text = f"[{', '.join(shown(entry) for entry in value)}]"
    elif isinstance(value, str) and re.fullmatch(r"[-+.\d]+(e[-+]?\d+)?|null|true|false|nan|inf", value.lower()):
        text = f"the text '{value}'"
    else:
        text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value) or "nothing"
    return text if len(text) <= 60 else text[:57] + "..."


def _walk(location: tuple[int | str, ...], schema: type[BaseModel]) -> tuple[list[str], type[BaseModel], Any]:
    """Follow pydantic's path to a value.

    Returns:
        The names that its user wrote, the part that the last of them stands in, and that name's annotation.
    """
    names: list[str] = []
    around, annotation = schema, schema
    for step in location:
        parts = _parts(annotation)
        if isinstance(step, int):
            names[-1] += f"[{step}]"
        elif len(parts) > 1:  # pydantic puts the kind between two names
            annotation = _kinds(annotation)[step]
        elif parts:  # else it is pydantic's name for one of the types that a value may have
            names.append(step)
            [around] = parts
            annotation = around.model_fields[step].annotation if step in around.model_fields else None
    return names, around, annotation


def _parts(annotation: Any) -> list[type[BaseModel]]:
    """Return the parts of the configuration that an annotation allows: one, those of a union, or none."""
    options = (annotation, *get_args(annotation))
    return [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]


def _kinds(annotation: Any) -> dict[str, type[BaseModel]]:
    """Return the parts of a union by their kinds."""
    return {kind: part for part in _parts(annotation) for kind in get_args(part.model_fields["kind"].annotation)}
