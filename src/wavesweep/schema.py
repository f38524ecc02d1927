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
        annotation = field.annotation
        nested = [annotation] if isinstance(annotation, type) else list(_members(annotation).values())
        for model in nested:
            if issubclass(model, BaseModel):
                keys += keys_of(model, f"{prefix}{name}.")
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
    context: dict[str, Any] = {name: _number(limit) for name, limit in details.get("ctx", {}).items()}
    parts, model = _walk(details["loc"], schema)
    key = ".".join(parts)
    if kind == "extra_forbidden":
        siblings = list(model.model_fields) if model else []
        return f"{key} is not a key of this configuration; {suggestion(parts[-1], siblings, parts[:-1])}"
    annotation = model.model_fields[parts[-1].partition("[")[0]].annotation if model else None
    if kind == "missing" and isinstance(details["loc"][-1], int):
        return f"{key.partition('[')[0]} must have {len(get_args(annotation))} entries, got {shown(value)}"
    if kind == "missing":
        part = _members(annotation) or (isinstance(annotation, type) and issubclass(annotation, ConfigPart))
        return f"{key} is missing; {'choose an option of this group' if part else 'give it a value'}"
    if kind == "union_tag_not_found":
        return f"{key}.kind is missing; {suggestion('', _members(annotation))}"
    if kind == "union_tag_invalid":
        return f"{key}.kind: {context['tag']} is unknown; {suggestion(str(context['tag']), _members(annotation))}"
    if kind == "literal_error":
        expected = [name.strip("'") for name in context["expected"].replace(" or ", ", ").split(", ")]
        return f"{key}: {shown(value)} is unknown; {suggestion(str(value), expected)}"
    if kind == "value_error":
        return f"{key}{': ' if isinstance(value, Mapping) else ' '}{context['error']}"
    return f"{key} {_RULES.get(kind, str(details['msg'])).format(**context)}, got {shown(value)}"


def _number(limit: Any) -> Any:
    return f"{limit:g}" if isinstance(limit, float) else limit


def shown(value: object) -> str:
    """Return a value as it is written on the command line, cut where it is long."""
    if isinstance(value, list | tuple):
        text = f"[{', '.join(shown(entry) for entry in value)}]"
    elif isinstance(value, str) and re.fullmatch(r"[-+.\d]+(e[-+]?\d+)?|null|true|false|nan|inf", value.lower()):
        text = f"the text '{value}'"
    else:
        text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value) or "nothing"
    return text if len(text) <= 60 else text[:57] + "..."


def _walk(location: tuple[int | str, ...], schema: type[BaseModel]) -> tuple[list[str], type[BaseModel] | None]:
    """Return the key as its user wrote it, without pydantic's names of union members, and its parent."""
    parts: list[str] = []
    model: type[BaseModel] | None = schema
    members: dict[str, type[BaseModel]] = {}
    parent = model
    for step in location:
        if str(step) in members:
            model, members = members[str(step)], {}
            continue
        if model is None or not isinstance(step, str):
            # What follows a leaf is an index, or the name of one of the types that the leaf may have.
            if isinstance(step, int):
                parts[-1] += f"[{step}]"
            continue
        parts.append(step)
        parent = model
        field = model.model_fields.get(step)
        members = _members(field.annotation) if field else {}
        model = field.annotation if field and isinstance(field.annotation, type) else None
        model = model if model and issubclass(model, BaseModel) else None
    return parts, parent


def _members(annotation: Any) -> dict[str, type[BaseModel]]:
    options = [option for option in getattr(annotation, "__args__", ()) if isinstance(option, type)]
    models = [option for option in options if issubclass(option, BaseModel) and "kind" in option.model_fields]
    return {kind: model for model in models for kind in model.model_fields["kind"].annotation.__args__}  # type: ignore
