"""The overrides that make a configuration again."""

import pytest

from tests.support.commands import SMALL
from wavesweep.config.composing import compose
from wavesweep.config.config import dump
from wavesweep.config.groups import options
from wavesweep.config.overrides import overrides_of
from wavesweep.experiment.preparation import prepare

CHOICES = [
    f"{group}={option}" for group in ("experiment", "model", "optimizer", "training") for option in options(group)
]
CHOICES += [f"optimizer@training.refiner={option}" for option in options("optimizer")]


@pytest.mark.parametrize("override", CHOICES)
def test_they_make_what_a_choice_makes(override: str) -> None:
    composed = compose(override)
    overrides, choices = overrides_of(composed)
    assert compose(*overrides) == composed
    group, _, option = override.partition("=")
    assert group == "experiment" or len(overrides) <= 1
    assert choices.get(group, option) == option


def test_of_the_defaults_there_are_none() -> None:
    choices = {"dataset": "sine", "model": "medium", "optimizer": "adam", "training": "default"}
    assert overrides_of(compose()) == ([], choices)


def test_they_are_those_that_were_typed() -> None:
    typed = ["model=tiny", "seed=3", "dataset.length=40", "training.epochs=3", "runtime.threads=2"]
    assert overrides_of(compose(*typed))[0] == typed


def test_they_make_a_configuration_that_was_resolved() -> None:
    resolved = prepare(compose(*SMALL, "model=small", "runtime.device=cpu")).config
    assert dump(compose(*overrides_of(resolved)[0])) == dump(resolved)


def test_where_the_run_is_tracked_is_no_part_of_them() -> None:
    assert overrides_of(compose("tracking.experiment=other", "tracking.required=true"))[0] == []
