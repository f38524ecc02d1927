"""The typed configuration: refusals and round trips."""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from hydra_queue_sweeper.base.errors import Refused
from tests.support.parts import composed, config, with_values
from wavesweep.config.composing import compose
from wavesweep.config.config import dump, flatten, parse, parse_resolved
from wavesweep.config.groups import known_keys, options, read_option
from wavesweep.experiment.preparation import prepare

CHOICES = [
    (),
    ("dataset=cos_sin_squared",),
    ("dataset=linear_noise", "model=linear"),
    ("model=large", "optimizer=lbfgs"),
    ("optimizer=sgd", "training=article"),
    ("optimizer=rmsprop", "optimizer.schedule=cosine"),
    ("optimizer=adamw", "model=tiny"),
    ("experiment=article/sine",),
    ("experiment=article/cos_sin_squared",),
    ("experiment=article/linear_noise",),
    ("experiment=article/minutes",),
]


@pytest.mark.parametrize("overrides", CHOICES, ids=" ".join)
def test_a_dumped_config_parses_to_itself(overrides: tuple[str, ...]) -> None:
    written, resolved = composed(*overrides), config(*overrides)
    assert parse(dump(written)) == written
    assert parse_resolved(dump(resolved)) == resolved
    assert dump(parse(dump(resolved))) == dump(resolved), "what is resolved can be written too"


@pytest.mark.parametrize("overrides", CHOICES, ids=" ".join)
def test_nothing_is_left_open_in_a_resolved_config(overrides: tuple[str, ...]) -> None:
    assert prepare(config(*overrides)).config == config(*overrides)
    values = flatten(dump(config(*overrides)))
    assert [key for key, value in values.items() if value is None or value == "auto"] == ["tracking.run_name"]


def test_what_a_part_is_stands_first_in_it() -> None:
    values = dump(composed())
    for part in (values["dataset"], values["model"], values["optimizer"], values["training"]["refiner"]):
        assert next(iter(part)) == "kind"


def test_what_is_written_keeps_its_nulls() -> None:
    assert compose().forecast.horizon is None


@pytest.mark.parametrize("overrides", CHOICES[2:6], ids=" ".join)
def test_values_set_afterwards_are_values_composed(overrides: tuple[str, ...]) -> None:
    """So other tests may compose by `composed`, which is fast."""
    values = ("forecast.context=null", "dataset.split=[0.5,0.25,0.25]", "tracking.experiment='1'", "seed=3")
    assert composed(*overrides, *values) == compose("runtime.device=cpu", *overrides, *values)


REFUSALS = [
    ("dataset.widht", 3, "dataset.widht is not a key of this configuration; did you mean dataset.width?"),
    ("sead", 3, "sead is not a key of this configuration; did you mean seed?"),
    ("seed", -1, "seed must be at least 0, got -1"),
    ("seed", True, "seed must be a whole number, got true"),
    ("seed", None, "seed must be a whole number, got null"),
    ("dataset.width", 0, "dataset.width must be greater than 0, got 0"),
    ("dataset.width", math.nan, "dataset.width must be finite, got nan"),
    ("dataset.width", math.inf, "dataset.width must be finite, got inf"),
    ("dataset.length", 40.5, "dataset.length must be a whole number, got 40.5"),
    ("dataset.kind", "sin", "dataset.kind: sin is unknown; did you mean sine?"),
    ("dataset.split", [1, 2], "dataset.split must be three row counts or three fractions (train, val, test)"),
    ("dataset.split", [0.5, 0.2, 0.2], "dataset.split must have fractions that add up to 1, got [0.5, 0.2, 0.2]"),
    ("dataset.split", [-1, 50, 51], "dataset.split must be three row counts or three fractions"),
    ("model.hidden_sizes", [], "model.hidden_sizes must not be empty, got []"),
    ("model.hidden_sizes", [8, 0], "model.hidden_sizes[1] must be at least 1, got 0"),
    ("model.hidden_sizes", 8, "model.hidden_sizes must be a list, got 8"),
    ("model.dropout", 1.0, "model.dropout must be less than 1, got 1.0"),
    ("optimizer.betas", [0.9], "optimizer.betas must have 2 entries, got [0.9]"),
    ("training.epochs", "many", "training.epochs must be a whole number, got many"),
    ("training.keep", "first", "training.keep: first is unknown; choose from best, last"),
    ("training.noise_end", 0.1, "training: noise_start and noise_end must both be 0, or both be greater"),
    ("tracking.uri", "", "tracking.uri must not be empty"),
    ("tracking.uri", "http://me:pw@host", "tracking.uri must not hold a password or token, since it is stored; give"),
    ("tracking.required", "yes", "tracking.required must be true or false, got yes"),
    ("tracking.run_name", 3, "tracking.run_name must be text, got 3"),
    ("tracking.run_name", "", "tracking.run_name must be a line of 1 to 250 characters, got ''"),
    ("tracking.run_name", "a\nb", "tracking.run_name must be a line of 1 to 250 characters, got 'a\\nb'"),
    ("tracking.run_name", "x" * 251, "tracking.run_name must be a line of 1 to 250 characters, got 'xxx"),
    ("tracking.run_name", "http://me:pw@host", "tracking.run_name must not hold a password or token"),
    ("tracking.tags", {"a": None}, "tracking.tags: a must be text, a number, true or false, got null; write it as"),
    ("tracking.tags", {"a": {"b": 1}}, "tracking.tags: a must be text, a number, true or false, got {'b': 1}"),
    ("tracking.tags", {"a": math.nan}, "tracking.tags: a must be text, a number, true or false, got nan"),
    ("tracking.tags", {"a": "http://me:pw@host"}, "tracking.tags: a must not hold a password or token"),
    ("tracking.tags", {"mlflow.user": "me"}, "tracking.tags: mlflow.user must not begin with mlflow. or wavesweep."),
    ("tracking.tags", {"wavesweep.run_key": 1}, "tracking.tags: wavesweep.run_key must not begin with mlflow. or"),
    ("tracking.tags", {"a,b": 1}, "tracking.tags: 'a,b' must be a name of letters, digits, spaces and _ - . :"),
    ("tracking.tags", {str(number): 1 for number in range(51)}, "tracking.tags must have at most 50 entries, got"),
    ("tracking.tags", ["a"], "tracking.tags must be a group of keys, got [a]"),
    ("runtime.device", "gpu", "runtime.device must match ^(auto|cpu|mps|cuda(:[0-9]+)?)$, got gpu"),
    (
        "objective",
        "test/closed_loop_mse",
        "objective: test/closed_loop_mse is unknown; did you mean val/closed_loop_mse?",
    ),
    ("forecast", 3, "forecast must be a group of keys, got 3"),
    ("format_version", 5, "format_version must be 4, got 5; this configuration needs a newer wavesweep"),
    ("format_version", 3, "format_version must be 4, got 3; this configuration needs an older wavesweep"),
    ("forecast.quantiles", [0.9, 0.1], "forecast.quantiles must be shares that ascend, such as [0.1,0.5,0.9], got"),
    ("forecast.quantiles", [1e-17, 0.5], "forecast.quantiles must be from 1e-06 to 1 - 1e-06, beyond which no data"),
    ("forecast.quantiles", [0.5, 1.5], "forecast.quantiles[1] must be less than 1, got 1.5"),
    ("dataset.season", [24, 0], "dataset.season[1] must be at least 1, got 0"),
    ("dataset.season", [1, 2, 3, 4], "dataset.season must have at most 3 entries, got"),
    ("dataset.season", [168, 24], "dataset.season must ascend, each once, got [168, 24]"),
    ("training.standardize", "each", "training.standardize"),
]


@pytest.mark.parametrize(("key", "value", "message"), REFUSALS, ids=lambda part: str(part)[:40])
def test_a_wrong_value_is_refused_with_key_rule_and_value(key: str, value: object, message: str) -> None:
    with pytest.raises(Refused) as refusal:
        parse(with_values(dump(config()), {key: value}))
    text = str(refusal.value)
    assert text.startswith(message)
    assert "\n" not in text


def test_all_problems_are_reported_together() -> None:
    values = with_values(dump(config()), {"dataset.width": -1, "training.epochs": 0})
    del values["seed"]
    with pytest.raises(Refused) as refusal:
        parse(values)
    assert str(refusal.value).splitlines() == [
        "seed is missing; give it a value",
        "dataset.width must be greater than 0, got -1",
        "training.epochs must be at least 1, got 0",
    ]


KEYS = sorted(known_keys())
ODDITIES = [
    *(None, True, False, -1, 0, 1, 2, 5, 2**31, 2**63, -0.5, 0.0, 0.5, 1.0, 1e300, math.inf, math.nan),
    *("", "1", "no", "none", "auto", "cpu", "best", "some", "value", "series", "cosine", "float64", "sqlite:///x"),
    *([], [1], [0.5, 0.5], [0, 0, 0], [1, 0, 1], [0.5, 0.25, 0.25], [None], ["a"], {}, {"kind": "sine"}, {"a": 1}),
]


@cache
def bases() -> list[dict[str, Any]]:
    """Return configurations that hold each known key at least once."""
    places = [(group, group) for group in ("dataset", "model", "optimizer")] + [("training.refiner", "optimizer")]
    chosen = [(key, read_option(group, name)) for key, group in places for name in options(group)]
    return [dump(parse(with_values(dump(composed()), {key: part}))) for key, part in chosen if "kind" in part]


def test_the_files_of_options_hold_each_key_of_the_schema_and_no_other() -> None:
    values = {key for base in bases() for key in flatten(base)} | {"tracking.tags"}  # which is empty
    parts = {key.rpartition(".")[0] for key in values} - {""}
    assert known_keys() == values | parts


def standing() -> list[Any]:
    """Return all values that stand in them: each is worth a try at all keys."""
    return list({json.dumps(value): value for values in bases() for value in flatten(values).values()}.values())


def is_accepted(values: Mapping[str, Any]) -> bool:
    with suppress(Refused):
        parse(values)
        return True
    return False


PLAIN = st.none() | st.booleans() | st.integers(-2, 99) | st.integers() | st.floats(0, 1) | st.floats() | st.text()
BASES = st.deferred(lambda: st.sampled_from(bases()))
VALUES = st.one_of(
    st.deferred(lambda: st.sampled_from([*ODDITIES, *standing()])),
    PLAIN,
    st.lists(PLAIN, max_size=4) | st.dictionaries(st.text(), PLAIN, max_size=2),
)
CHANGES = st.lists(st.tuples(st.sampled_from(KEYS), VALUES), min_size=1, max_size=3)


def with_changes(values: dict[str, Any], changes: list[tuple[str, Any]]) -> dict[str, Any]:
    for key, value in changes:
        with suppress(TypeError, KeyError):  # what stands around it was made a value, or emptied
            values = with_values(values, {key: value})
    return values


@given(BASES, CHANGES)
def test_whatever_stands_at_a_known_key_is_accepted_as_it_is_or_refused(
    base: dict[str, Any], changes: list[tuple[str, Any]]
) -> None:
    values = with_changes(base, changes)
    if is_accepted(values):
        accepted = parse(values)
        assert parse(dump(accepted)) == accepted
        assert json.loads(json.dumps(dump(accepted))) == values, "a value was changed in silence"
    else:
        with pytest.raises(Refused) as refusal:
            parse(values)
        parts = tuple(key.partition(".")[0] for key, _ in changes)
        assert all(line.startswith(parts) for line in str(refusal.value).splitlines())


@pytest.mark.parametrize("verdict", [True, False], ids=["accepted", "refused"])
def test_what_that_property_draws_is_met_by_either_verdict(*, verdict: bool) -> None:
    drawn = st.builds(with_changes, BASES, CHANGES)
    quickly = settings(phases=[Phase.generate], derandomize=True, max_examples=1_000)
    find(drawn, lambda values: values not in bases() and is_accepted(values) == verdict, settings=quickly)


@pytest.mark.parametrize("key", KEYS)
def test_each_key_takes_some_values_and_refuses_others(key: str) -> None:
    """A key that took anything would have no check; one that took nothing could not be there."""
    holder, stands = next((values, found) for values in bases() for found in at(values, key))
    verdicts = {is_accepted(with_values(holder, {key: value})) for value in (stands, *ODDITIES)}
    assert verdicts == {True, False}


def at(values: dict[str, Any], key: str) -> list[Any]:
    """Return what stands at a dotted key, if something does."""
    group, _, rest = key.partition(".")
    if group not in values:
        return []
    return at(values[group], rest) if rest else [values[group]]


@given(st.text(min_size=1), VALUES)
def test_an_unknown_key_is_refused_whatever_it_holds(name: str, value: object) -> None:
    filled = dump(config())
    for group in ("", "dataset.", "training.", "model."):
        if f"{group}{name}" not in flatten(filled) and name not in filled and "." not in name:
            with pytest.raises(Refused, match=r"is not a key of this configuration|an option of experiment must begin"):
                parse(with_values(filled, {f"{group}{name}": value}))
