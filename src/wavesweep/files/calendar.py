"""What time stamps tell: seasons and how far people look ahead; of each, its place in the calendar."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from wavesweep.files.stamps import Spacing, following

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86_400, 604_800  # seconds
MONTHS = {"month": 1, "quarter": 3, "year": 12}
FIELDS: dict[str, Callable[[Any], Any]] = {
    "hour": lambda stamps: stamps.hour + stamps.minute / 60,
    "weekday": lambda stamps: stamps.day_of_week,
    "day": lambda stamps: stamps.day,
    "week": lambda stamps: stamps.isocalendar().week,
    "month": lambda stamps: stamps.month,
    "quarter": lambda stamps: stamps.quarter,
}
"""What is read of time stamps, by its name in a configuration."""
LEAST_AHEAD, MOST_AHEAD = 12, 400  # steps of a horizon of hours or less
FEWEST = 4  # steps of a season; of hours and minutes, which are seasons of fine records alone, three times as many


def usual_seasons(freq: Spacing) -> dict[int, str]:
    """Return the seasons that are usual for such steps, the shortest first, and what is counted in each.

    Args:
        freq: How steps are spaced.

    Returns:
        Steps of a season: 24 for "hours of a day"; none for years and what no calendar divides.
    """
    offset = pd.tseries.frequencies.to_offset(freq)
    name, number = offset.rule_code.partition("-")[0], offset.n
    if name in ("B", "C"):
        return {5: "weekdays of a week"} if number == 1 else {}
    if name == "D":
        return {7: "days of a week", 365: "days of a year"} if number == 1 else {}
    if name == "W":
        return {52 // number: "weeks of a year"} if 52 % number == 0 and 52 // number >= FEWEST else {}
    if months := _months(name, number):
        what = {1: "months", 3: "quarters"}.get(months, "steps")
        fits = 12 % months == 0 and 12 // months >= FEWEST
        return {12 // months: f"{what} of a year"} if fits else {}
    seconds = _seconds(offset)
    if seconds is None:  # years
        return {}
    named: dict[float, str] = {HOUR: "hours", MINUTE: "minutes", 1: "seconds"}
    what = named.get(seconds, "steps")
    cycles = {"minute": (MINUTE, 3 * FEWEST), "hour": (HOUR, 3 * FEWEST), "day": (DAY, FEWEST), "week": (WEEK, FEWEST)}
    return {
        int(cycle // seconds): f"{what} of a{'n' * (name == 'hour')} {name}"
        for name, (cycle, fewest) in cycles.items()
        if cycle % seconds == 0 and cycle // seconds >= fewest
    }


def known_inputs(
    known: np.ndarray | None, stamps: pd.DatetimeIndex | None, fields: Sequence[str], steps: int
) -> np.ndarray:
    """Return what is known in advance of a series, (time, input): columns, and then what time stamps tell.

    Args:
        known: The columns, (time, column), with steps beyond the observed ones; None: there is none.
        stamps: Of the observed steps; None: there are none, and no fields are wanted.
        fields: Names of FIELDS.
        steps: How many steps are wanted, all observed ones at least; nan stands for what isn't known.
    """
    width = 0 if known is None else known.shape[1]
    inputs = np.full((steps, width + len(fields)), np.nan)
    if known is not None:
        inputs[: len(known), :width] = known[:steps]
    if fields and stamps is not None:
        more = steps - len(stamps)
        all_stamps = stamps.append(following(stamps, more)) if more > 0 else stamps[:steps]
        for column, field in enumerate(fields, start=width):
            inputs[:, column] = np.asarray(FIELDS[field](all_stamps), dtype=float)
    return inputs


def usual_horizon(freq: Spacing) -> tuple[int, str] | None:
    """Return how many steps people forecast that are so spaced, and in words how long that is.

    Args:
        freq: How steps are spaced.

    Returns:
        24 and "a day" of hours: of hours or less, that of a day, a week, an hour and a minute which first has 12 to
        400 steps. Two weeks of days and weekdays; a year of weeks and months, two where it has less than 12 steps; five
        years. None of what no calendar divides.

    Source:
        Makridakis, Spiliotis & Assimakopoulos (2020), The M4 competition, forecasts 14 days, 8 quarters and 6 years.
    """
    offset = pd.tseries.frequencies.to_offset(freq)
    name, number = offset.rule_code.partition("-")[0], offset.n
    if name in ("B", "C", "D"):
        two_weeks = 14 if name == "D" else 10
        return (two_weeks // number, "two weeks") if number <= 2 else None
    if name in ("YS", "YE", "BYS", "BYE"):
        return (5, "five years") if number == 1 else None
    in_a_year, steps = (52, number) if name == "W" else (12, _months(name, number))
    if steps:
        return _years_ahead(in_a_year // steps) if in_a_year % steps == 0 else None
    seconds = _seconds(offset)
    if seconds is None:
        return None
    spans = {"a day": DAY, "a week": WEEK, "an hour": HOUR, "a minute": MINUTE}
    for words, span in spans.items():
        if span % seconds == 0 and LEAST_AHEAD <= span // seconds <= MOST_AHEAD:
            return int(span // seconds), words
    return None


def _years_ahead(steps: int) -> tuple[int, str]:
    """Return the steps of a year, or of two where that has few."""
    return (steps, "a year") if steps >= LEAST_AHEAD else (2 * steps, "two years")


def _months(name: str, number: int) -> int:
    """Return the months from one step to the next, given how pandas calls the offset; 0: it has none."""
    if name.endswith(("MS", "ME")):
        return number
    return 3 * number if name.endswith(("QS", "QE")) else 0


def _seconds(offset: Any) -> float | None:
    """Return the seconds from one step to the next; None where they vary, as in a calendar."""
    try:
        return offset.nanos / 1e9
    except ValueError:
        return None
