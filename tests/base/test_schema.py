"""Families of parts of a configuration: whoever derives from one is found."""

from typing import Annotated, Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from wavesweep.base.schema import AnyMember, Member


class Fruit(Member):
    pass


class Apple(Fruit):
    kind: Literal["apple"]
    grams: int


class _Citrus(Fruit):
    """What is no member itself, since it has no kind."""

    peeled: bool


class Lemon(_Citrus):
    kind: Literal["lemon"]


class Lime(_Citrus):
    kind: Literal["lime", "key lime"]


def test_a_member_is_found_without_being_listed() -> None:
    fruits = TypeAdapter(Annotated[Fruit, AnyMember()])
    assert fruits.validate_python({"kind": "apple", "grams": 90}) == Apple(kind="apple", grams=90)
    assert fruits.validate_python({"kind": "lemon", "peeled": True}) == Lemon(kind="lemon", peeled=True)
    assert isinstance(fruits.validate_python({"kind": "key lime", "peeled": False}), Lime)


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "pear"},
        {"grams": 90},
        {"kind": "apple"},
        {"kind": "apple", "grams": 9.5},
        {"kind": "apple", "grams": "90"},
        {"kind": "apple", "grams": 90, "peeled": True},
        {"kind": "lemon", "grams": 90},
    ],
    ids=str,
)
def test_another_kind_or_another_s_values_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Annotated[Fruit, AnyMember()]).validate_python(values)


def test_a_part_can_t_be_changed() -> None:
    with pytest.raises(ValidationError):
        Apple(kind="apple", grams=90).grams = 100  # type: ignore[misc]
