"""The spacing of time stamps tells which seasons and which horizon are usual, and a line says why one was taken."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wavesweep.config.composing import compose
from wavesweep.experiment.preparation import prepare, shape_of
from wavesweep.files.calendar import usual_horizon, usual_seasons


@pytest.mark.parametrize(
    ("freq", "seasons"),
    [
        ("h", {24: "hours of a day", 168: "hours of a week"}),
        ("30min", {48: "steps of a day", 336: "steps of a week"}),
        ("6h", {4: "steps of a day", 28: "steps of a week"}),
        ("min", {60: "minutes of an hour", 1440: "minutes of a day", 10080: "minutes of a week"}),
        ("D", {7: "days of a week", 365: "days of a year"}),
        ("B", {5: "weekdays of a week"}),
        ("W-TUE", {52: "weeks of a year"}),
        ("2W-SUN", {26: "weeks of a year"}),
        ("MS", {12: "months of a year"}),
        ("BME", {12: "months of a year"}),
        ("QS-OCT", {4: "quarters of a year"}),
        ("6MS", {}),
        ("YS-JAN", {}),
    ],
)
def test_spacing_tells_the_usual_seasons(freq: str, seasons: dict[int, str]) -> None:
    assert usual_seasons(pd.date_range("2024-01-01", periods=9, freq=freq).freq) == seasons


@pytest.mark.parametrize(
    ("freq", "horizon"),
    [
        ("h", (24, "a day")),
        ("30min", (48, "a day")),
        ("5min", (288, "a day")),
        ("3h", (56, "a week")),
        ("min", (60, "an hour")),
        ("s", (60, "a minute")),
        ("7min", None),
        ("ms", None),
        ("D", (14, "two weeks")),
        ("2D", (7, "two weeks")),
        ("5D", None),
        ("B", (10, "two weeks")),
        ("W-TUE", (52, "a year")),
        ("5W-SUN", None),
        ("MS", (12, "a year")),
        ("BME", (12, "a year")),
        ("2MS", (12, "two years")),
        ("QS-OCT", (8, "two years")),
        ("5MS", None),
        ("YS-JAN", (5, "five years")),
        ("10YS-JAN", None),
    ],
)
def test_spacing_tells_how_far_people_look_ahead(freq: str, horizon: tuple[int, str] | None) -> None:
    assert usual_horizon(pd.date_range("2024-01-01", periods=9, freq=freq).freq) == horizon


def table(number: int, freq: str) -> pd.DataFrame:
    draws, hours = np.random.default_rng(0), np.arange(number)
    weekend = (hours // 24 % 7 >= 5) * 2.0
    load = np.sin(2 * np.pi * hours / 24) - weekend + draws.normal(size=number) / 2
    swing = np.zeros(number)
    for step in range(1, number):
        swing[step] = 0.99 * swing[step - 1] + draws.normal()
    stamps = pd.date_range("2024-01-01", periods=number, freq=freq)
    return pd.DataFrame({"time": stamps, "load": load, "a": swing, "b": np.cumsum(draws.normal(size=number))})


def line(path: Path, *overrides: str) -> str:
    return shape_of(prepare(compose("dataset=csv", f"dataset.path={path}", *overrides))).partition(";")[0]


def test_the_seasons_are_those_of_the_targets(tmp_path: Path) -> None:
    path, hours = tmp_path / "load.csv", table(1000, "h")
    hours.to_csv(path, index=False)
    assert line(path, "dataset.target=[load]") == "seasons 24 (hours of a day) and 168 (hours of a week)"
    assert line(path, "dataset.target=[b]") == "no season found"


def test_the_line_says_why_a_season_was_taken(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    days = table(1000, "h").drop(columns="time")
    days.load = np.sin(2 * np.pi * np.arange(1000) / 24) + np.random.default_rng(1).normal(size=1000)
    days.to_csv(path, index=False)
    assert line(path, "dataset.target=[load]") == "season 24, found in the data"
    assert line(path, "dataset.season=[24]") == "season 24"


@pytest.mark.parametrize(
    ("number", "overrides", "words"),
    [
        (1000, (), "horizon 24 (a day)"),
        (1000, ("dataset.season=[7]",), "horizon 24 (a day)"),
        (200, (), "horizon 10 (a third of a part; a day is 24)"),
        (1000, ("forecast.horizon=24",), "horizon 24"),
        (1000, ("dataset.time_column=step",), "horizon 14"),
    ],
)
def test_the_horizon_is_what_people_choose_and_the_line_says_why(
    number: int, overrides: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    path, hours = tmp_path / "load.csv", table(number, "h")
    if "dataset.time_column=step" in overrides:
        hours = hours.drop(columns="time").assign(step=np.arange(number))
        overrides += ("dataset.season=[7]",)
    hours.to_csv(path, index=False)
    prepared = prepare(compose("dataset=csv", f"dataset.path={path}", "dataset.target=[b]", *overrides))
    assert shape_of(prepared).partition("; ")[2].partition(", context")[0] == words
