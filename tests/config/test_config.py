"""The typed configuration: refusals, round trips, hashes."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.commands import config, small
from wavesweep.base.errors import Refused
from wavesweep.config.config import dump, flatten, parse
from wavesweep.config.objections import keys_of
from wavesweep.config.replicates import config_hash

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
    filled = config(*overrides)
    assert parse(dump(filled)) == filled


@pytest.mark.parametrize("overrides", CHOICES, ids=" ".join)
def test_nothing_is_left_open_in_a_filled_config(overrides: tuple[str, ...]) -> None:
    values = flatten(dump(config(*overrides)))
    assert [key for key, value in values.items() if value is None or value == "auto"] == []


def changed(key: str, value: object) -> dict[str, Any]:
    values = dump(config())
    *groups, name = key.split(".")
    place = values
    for group in groups:
        place = place[group]
    place[name] = value
    return values


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
    ("tracking.required", "yes", "tracking.required must be true or false, got yes"),
    ("runtime.device", "gpu", "runtime.device must be auto, cpu, mps, cuda or cuda:N, got gpu"),
    (
        "objective",
        "test/closed_loop_mse",
        "objective: test/closed_loop_mse is unknown; did you mean val/closed_loop_mse?",
    ),
    ("forecast", 3, "forecast must be a group of keys, got 3"),
    ("format_version", 2, "format_version must be 1, got 2; this configuration needs a newer wavesweep"),
]


@pytest.mark.parametrize(("key", "value", "message"), REFUSALS, ids=lambda part: str(part)[:40])
def test_a_wrong_value_is_refused_with_key_rule_and_value(key: str, value: object, message: str) -> None:
    with pytest.raises(Refused) as refusal:
        parse(changed(key, value))
    text = str(refusal.value)
    assert text.startswith(message)
    assert "\n" not in text


def test_all_problems_are_reported_together() -> None:
    values = changed("dataset.width", -1)
    values["training"]["epochs"] = 0
    del values["seed"]
    with pytest.raises(Refused) as refusal:
        parse(values)
    assert str(refusal.value).splitlines() == [
        "seed is missing; give it a value",
        "dataset.width must be greater than 0, got -1",
        "training.epochs must be at least 1, got 0",
    ]


@given(st.text(min_size=1), st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()))
def test_whatever_stands_in_a_config_is_accepted_or_refused(name: str, value: object) -> None:
    values = dump(FILLED)
    for group in ("dataset", "training", "model"):
        values[group] = values[group] | {name: value}
    if name not in keys_of(type(FILLED)) and all(name not in dump(FILLED)[g] for g in ("dataset", "training", "model")):
        with pytest.raises(Refused):
            parse(values)


FILLED = config()


def test_replicates_share_their_hash_and_others_do_not() -> None:
    base = config_hash(small())
    assert config_hash(small("seed=5")) == base
    assert config_hash(small("dataset.seed=5")) == base
    assert config_hash(small("tracking.experiment=other")) == base
    assert config_hash(small("training.epochs=4")) != base
    assert config_hash(small("runtime.dtype=float64")) != base
