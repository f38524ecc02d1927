"""The base of every part of the configuration, and the types of their values."""

from itertools import pairwise
from typing import Annotated, Any, Union

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from hydra_queue_sweeper.base.errors import shown

Count = Annotated[int, Field(ge=1, le=10**9)]
NonNegativeInt = Annotated[int, Field(ge=0, le=10**9)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]


def _check_ascending(values: tuple[int, ...]) -> tuple[int, ...]:
    if any(earlier >= later for earlier, later in pairwise(values)):
        raise ValueError(f"must ascend, each once, got {shown(values)}")
    return values


Ascending = Annotated[tuple[Count, ...], Field(strict=False), AfterValidator(_check_ascending)]


class ConfigPart(BaseModel):
    """A typed, immutable part of the configuration.

    Its values stand in the YAML files of `conf/`; the class gives names, types, units and checks. There are
    no defaults, so no value is written twice.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Member(ConfigPart):
    """A member of a family of parts: it has a `kind`, by which a configuration says which it is."""

    kind: Any


class AnyMember:
    """Marks a field that takes any member of a family of parts, told apart by its `kind`."""

    def __get_pydantic_core_schema__(self, family: type[Member], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of all members so far."""
        union = Union[tuple(members(family))]  # noqa: UP007  it is made, not written
        return handler.generate_schema(Annotated[union, Field(discriminator="kind")])


def members(part: type[BaseModel]) -> list[type[BaseModel]]:
    """Return all classes derived from a family so far that have a `kind`, and not from another member.

    Of a part that is no family, return that alone.
    """
    if not issubclass(part, Member) or part.model_fields["kind"].annotation is not Any:
        return [part]
    found = dict.fromkeys(member for one in part.__subclasses__() for member in members(one))
    with_kind = [one for one in found if one.model_fields["kind"].annotation is not Any]
    return [one for one in with_kind if not any(other is not one and issubclass(one, other) for other in with_kind)]
