"""The names of runs: what tells them apart stands in the first 20 characters, which MLflow's list shows."""

import json
from itertools import islice, product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hydra_queue_sweeper.base.keys import last_parts
from hydra_queue_sweeper.search.space import Dimension, grid_jobs
from wavesweep.config.config import MOST_NAME
from wavesweep.config.groups import groups
from wavesweep.config.naming import in_short
from wavesweep.experiment.description import configuration, origin_name, run_name, sweep_name
from wavesweep.workspace.info import RunInfo

GROUPS = groups()
SHOWN = 20
VALUES = {
    "model": st.sampled_from(["tiny", "small", "medium", "linear"]),
    "optimizer": st.sampled_from(["adam", "sgd", "lbfgs"]),
    "optimizer.lr": st.floats(1e-8, 1e3).map(repr),
    "dataset.seed": st.integers(0, 2**63).map(str),
    "++model.hidden_sizes": st.lists(st.integers(1, 512), min_size=1, max_size=3).map(json.dumps),
    "seed": st.integers(0, 99).map(str),
}
"""By key, what a sweep may give it."""


def dimension(key: str) -> st.SearchStrategy[Dimension]:
    return st.lists(VALUES[key], min_size=2, max_size=9, unique=True).map(lambda values: Dimension(key, tuple(values)))


GRIDS = st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=4, unique=True).flatmap(
    lambda keys: st.tuples(*map(dimension, keys))
)


@given(GRIDS)
def test_all_trials_of_a_sweep_differ_in_what_is_shown(grid: tuple[Dimension, ...]) -> None:
    jobs = islice(grid_jobs([*grid]), 300)
    names = [run_name(overrides, GROUPS, number) for number, overrides in enumerate(jobs)]
    assert len({name[:SHOWN] for name in names}) == len(names)
    assert all(name.split()[0] == str(number) for number, name in enumerate(names))


@given(GRIDS)
def test_the_order_in_which_dimensions_were_typed_does_not_hide_options_or_raise_the_seed(
    grid: tuple[Dimension, ...],
) -> None:
    words = in_short(next(grid_jobs([*grid])), GROUPS)
    swept = {one.name for one in grid}
    assert len(words) == len(grid)
    assert all("=" not in word for word in words[: len(swept & {"model", "optimizer"})])
    assert "seed" not in swept or words[-1].startswith("seed=")


@pytest.mark.parametrize("values", [("1e-3", "1e-2", "3e-2"), ("0.0123456789", "0.0123556789", "0.0124")])
def test_a_sweep_of_few_dimensions_can_be_read_whole_in_what_is_shown(values: tuple[str, ...]) -> None:
    """Its seed included, though numbers have 17 digits."""
    swept = product(["tiny", "small"], values, range(2))
    trials = [[f"model={model}", f"optimizer.lr={lr}", f"seed={seed}"] for model, lr, seed in swept]
    names = [run_name(trial, GROUPS, number) for number, trial in enumerate(trials)]
    without_number = {name.partition(" ")[2][:SHOWN] for name in names}
    assert len(without_number) == len(trials)


NUMBERS = st.floats(-1e300, 1e300) | st.integers(-(10**12), 10**12)


@given(NUMBERS)
def test_a_number_keeps_four_digits_however_it_is_written(number: float) -> None:
    writings = (repr(number), f"{number:.17e}")
    [shown] = {in_short([f"optimizer.lr={text}"], GROUPS)[0] for text in writings}
    key, _, value = shown.partition("=")
    assert key == "lr"
    assert float(value) == pytest.approx(number, rel=5e-4)
    assert isinstance(number, float) or int(value) == number


PATHS = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join), unique=True, max_size=8)


@given(PATHS)
def test_the_last_parts_tell_keys_apart_and_end_them(keys: list[str]) -> None:
    short = last_parts(keys)
    assert len(set(short.values())) == len(keys)
    assert all(f".{key}".endswith(f".{short[key]}") for key in keys)


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "defaults"),
        (["seed=3"], "seed=3"),
        (["seed=3", "optimizer.lr=1e-3", "model=small"], "small lr=0.001 s=3"),
        (["dataset.seed=1", "seed=2"], "dataset.seed=1 s=2"),
        (["training.epochs=3", "training.epochs=4"], "epochs=4"),
        (["~training.patience", "+extra.note='a b'"], "~patience note=a b"),
        (["model.hidden_sizes=[64, 32]", "training={epochs: 3}"], "hidden_sizes=[64,32] training={epochs:3}"),
        (["dataset.path=data/2024-01.csv", "runtime.device=cuda:1"], "path=data/2024-01.csv device=cuda:1"),
    ],
)  # fmt: skip
def test_names_of_single_runs(overrides: list[str], name: str) -> None:
    assert run_name(overrides, GROUPS) == name


def test_a_name_is_no_longer_than_databases_take() -> None:
    long = [f"group.key{number}={number}" for number in range(99)]
    assert len(run_name(long, [])) == len(sweep_name(long, "")) == MOST_NAME


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("ce98caa794bc471280da36a3f762b575", "ce98"),
        ("outputs/runs/2026-11-26_13-49-08_cabc", "cabc"),
        ("outputs/sweeps/2026-11-26_13-49-08_cabc/7", "cabc/7"),
        ("own/place", "place"),
        ("own/my.yaml", "my.yaml"),
    ],
)
def test_a_stored_run_is_named_by_what_tells_it_from_others(place: str, name: str) -> None:
    assert origin_name(place) == name


def test_the_name_of_a_sweep_tells_what_varies() -> None:
    assert sweep_name(["seed", "model", "optimizer.lr"], "") == "sweep of model × lr × seed"
    assert sweep_name(["seed"], "ce98") == "sweep around ce98: seed"


@example((Dimension("dataset.seed", ("9223365000000000513", "9223365000000000514")),))
@given(GRIDS)
def test_replicates_share_the_text_to_group_by_and_others_do_not(grid: tuple[Dimension, ...]) -> None:
    by_text: dict[str, set[str]] = {}
    for overrides in islice(grid_jobs([*grid]), 300):
        text = configuration(RunInfo(overrides, dict.fromkeys(GROUPS, ""), None, "name"))
        by_text.setdefault(text, set()).add(" ".join(one for one in overrides if not one.startswith("seed=")))
    rounded = any(one.key == "optimizer.lr" for one in grid)
    assert rounded or all(len(configurations) == 1 for configurations in by_text.values())
    assert len({one for some in by_text.values() for one in some}) == sum(map(len, by_text.values()))
