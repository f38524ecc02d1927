"""Families of parts: what stands in conf/ has a class, each class something in conf/; resolving leaves none open."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from hydra_queue_sweeper.base.errors import Refused
from tests.support.parts import composed, with_values
from wavesweep.base.schema import Member, members
from wavesweep.config.config import Resolved, dump, flatten, parse, parse_resolved
from wavesweep.config.groups import options
from wavesweep.data.dataset import Dataset
from wavesweep.experiment.preparation import prepare
from wavesweep.models.configured import Model, ResolvedModel
from wavesweep.training.optimizers import Optimizer, ResolvedOptimizer

FAMILIES: dict[str, type[Member]] = {"dataset": Dataset, "model": Model, "optimizer": Optimizer}
PLACES = {**{group: group for group in FAMILIES}, "optimizer@training.refiner": "optimizer"}
MEMBERS = [(place, option) for place, group in PLACES.items() for option in options(group)]


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


def kinds(family: type[Member]) -> list[str]:
    return sorted(kind for member in members(family) for kind in get_args(member.model_fields["kind"].annotation))


@pytest.mark.parametrize(("written", "resolved"), [(Model, ResolvedModel), (Optimizer, ResolvedOptimizer)])
def test_each_kind_can_be_resolved(written: type[Member], resolved: type[Member]) -> None:
    assert kinds(written) == kinds(resolved)


def resolved(place: str, option: str, folder: Path) -> Resolved:
    """Resolve a configuration in which an option was chosen, of a single series where it takes no more."""
    path = folder / "series.csv"
    path.write_text("\n".join(["x", *map(str, np.random.default_rng(0).normal(size=90))]))
    more = [f"dataset.path={path}"] if option == "csv" else []
    more += ["dataset.num_series=1"] if option == "pointwise" else []
    return prepare(composed(f"{place}={option}", *more)).config


@pytest.mark.parametrize(("place", "option"), MEMBERS)
class TestEachMember:
    def test_resolving_it_leaves_nothing_open_and_happens_once(self, place: str, option: str, tmp_path: Path) -> None:
        found = resolved(place, option, tmp_path)
        values = dump(found)
        assert parse_resolved(values) == found
        assert prepare(found).config == prepare(parse(values)).config == found

    def test_a_stored_one_that_leaves_something_open_is_refused(self, place: str, option: str, tmp_path: Path) -> None:
        values, opened = dump(resolved(place, option, tmp_path)), []
        for key in flatten(values):
            if key.startswith(("model.", "optimizer.", "training.", "forecast.")):
                left_open = with_values(values, {key: None})
                if can_be_written(left_open):
                    opened.append(key)
                    with pytest.raises(Refused, match=rf"^{key}(: null is unknown| must be .*, got null$)"):
                        parse_resolved(left_open)
        assert {"training.window", "training.epochs", "forecast.horizon"} <= {*opened}


def can_be_written(values: dict[str, Any]) -> bool:
    try:
        parse(values)
    except Refused:
        return False
    return True
