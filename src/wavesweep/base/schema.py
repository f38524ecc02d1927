"""The base of every part of the configuration, and the types of their values."""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from wavesweep.base.errors import shown

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

    if TYPE_CHECKING:
        kind: Any


def one_of(family: type[Member]) -> Any:
    """Return the type of a field that takes any member of a family of parts, told apart by its `kind`.

    The members are all classes derived from `family` so far that have a `kind`, and not from another member.
    """
    return Annotated[Union[tuple(_members(family))], Field(discriminator="kind")]  # noqa: UP007  it is made, not written


def _members(family: type[Member]) -> list[type[Member]]:
    with_kind = [one for one in dict.fromkeys(_derived(family)) if "kind" in one.model_fields]
    return [one for one in with_kind if not any(other is not one and issubclass(one, other) for other in with_kind)]


def _derived(family: type[Member]) -> Iterator[type[Member]]:
    for one in family.__subclasses__():
        yield one
        yield from _derived(one)
