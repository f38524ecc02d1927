"""Families of parts: what stands in conf/ has a class, and each class something in conf/."""

from typing import Any

import pytest

from tests.support.parts import composed
from wavesweep.base.schema import Member
from wavesweep.config.groups import options
from wavesweep.data.dataset import Dataset
from wavesweep.models.configured import Model
from wavesweep.training.optimizers import Optimizer

FAMILIES: dict[str, type[Member]] = {"dataset": Dataset, "model": Model, "optimizer": Optimizer}


def chosen(group: str, option: str) -> Any:
    return getattr(composed(f"{group}={option}"), group)


@pytest.mark.parametrize(("group", "option"), [(group, name) for group in FAMILIES for name in options(group)])
def test_each_option_is_a_member_of_its_family(group: str, option: str) -> None:
    part = chosen(group, option)
    assert isinstance(part, FAMILIES[group])
    assert part.model_dump() == {name: getattr(part, name) for name in type(part).model_fields}
    assert "kind" in type(part).model_fields


@pytest.mark.parametrize("group", FAMILIES)
def test_each_member_can_be_chosen_by_an_option(group: str) -> None:
    classes = {type(chosen(group, option)) for option in options(group)}
    assert {member for member in members(FAMILIES[group]) if member.__module__.startswith("wavesweep.")} == classes


def members(family: type[Member]) -> set[type[Member]]:
    below = family.__subclasses__()
    return {part for part in below if "kind" in part.model_fields}.union(*map(members, below))
