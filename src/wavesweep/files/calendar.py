"""What time stamps tell: the seasons that their distance suggests, and the place of a step in the calendar."""

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
    months = 0
    if name.endswith(("MS", "ME")):
        months = number
    if name.endswith(("QS", "QE")):
        months = 3 * number
    if months:
        what = {1: "months", 3: "quarters"}.get(months, "steps")
        fits = 12 % months == 0 and 12 // months >= FEWEST
        return {12 // months: f"{what} of a year"} if fits else {}
    try:
        seconds = offset.nanos / 1e9
    except ValueError:  # of a calendar: years
        return {}
    what = {HOUR: "hours", MINUTE: "minutes", 1: "seconds"}.get(seconds, "steps")
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
