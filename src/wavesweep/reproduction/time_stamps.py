"""Time stamps of observed steps: read, checked to be evenly spaced, and continued."""

import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from wavesweep.base.errors import Refused

if TYPE_CHECKING:
    import pandas as pd


LAST_YEAR = 9999  # that Python can write
Refuse = Callable[[int, str], Refused]
"""Makes a refusal of the number of a cell, from 0, and the rule that it breaks."""


def are_stamps(cells: Sequence[str]) -> bool:
    """Say whether all cells are dates, with or without a time of day."""
    return not _parse(cells).hasnans


def read_stamps(cells: Sequence[str], refuse: Refuse) -> "pd.DatetimeIndex":
    """Read evenly spaced time stamps; `freq` of what is returned is their spacing, which may be months or weekdays.

    Raises:
        Refused: If one is no date, does not come after the one before it, or breaks the spacing.
    """
    import pandas as pd

    stamps = _parse(cells)
    if stamps.hasnans:
        number = int(stamps.isna().argmax())
        raise refuse(number, f"must be a date such as 2024-01-31 or 2024-01-31 13:00, got {cells[number]!r:.40}")
    if len(stamps) < 2:
        raise refuse(0, "must be two time stamps at least, which tell their distance, got one; leave the column out")
    distances = np.diff(stamps.asi8)
    if (distances <= 0).any():
        before = int((distances <= 0).argmax())
        rule = "occur once" if distances[before] == 0 else "come in order"
        raise refuse(before + 1, f"time stamps must {rule}, got {cells[before + 1]} after {cells[before]}; mend it")
    spacing = pd.Timedelta(stamps[1] - stamps[0]) if len(stamps) == 2 else _spacing(stamps)
    if spacing is None:
        number = _first_uneven(stamps)
        problem = f"time stamps must be evenly spaced, got {cells[number]} after {cells[number - 1]}"
        raise refuse(number, f"{problem}; fill in what is missing, or leave the column out")
    return pd.DatetimeIndex(stamps, freq=spacing)  # type: ignore[arg-type]


def continue_stamps(stamps: "pd.DatetimeIndex", steps: int) -> list[str]:
    """Return the time stamps that come next, as text: dates alone where those before have no time of day.

    Raises:
        Refused: If they lie beyond what can be represented.
    """
    import pandas as pd

    try:
        following = pd.date_range(stamps[-1], periods=steps + 1, freq=stamps.freq)[1:]
        if following.year.to_numpy().max() > LAST_YEAR:
            raise OverflowError
    except (ValueError, OverflowError):
        problem = f"horizon must end where time stamps can be written, got {steps} steps after {stamps[-1]}"
        raise Refused(f"{problem}; lower it") from None
    dates = (stamps == stamps.normalize()).all()
    return [f"{stamp:%Y-%m-%d}" if dates else str(stamp) for stamp in following]


def _parse(cells: Sequence[str]) -> "pd.DatetimeIndex":
    """Return dates, with NaT for what is none or may be two: 01/02/2024 is read by some as January, by others not."""
    import pandas as pd

    texts = pd.Series(cells, dtype=object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns where it guesses; both guesses are compared below
        zones = {match and match[1] for match in map(re.compile(r":\d\d[\d.]*([+-]\d\d:?\d\d|Z)$").search, cells)}
        several = len(zones) > 1  # as where clocks change
        stamps = pd.DatetimeIndex(pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=several))
        if stamps.hasnans and all(re.search(r"\b\d{4}\b", cell) for cell in cells):
            first, second = (
                pd.DatetimeIndex(pd.to_datetime(texts, dayfirst=dayfirst, errors="coerce", utc=several))
                for dayfirst in (False, True)
            )
            if first.hasnans or second.hasnans or (first == second).all():
                stamps = second if first.hasnans else first
    return stamps


def _spacing(stamps: "pd.DatetimeIndex") -> "str | pd.offsets.BaseOffset | None":
    """Return how three time stamps or more are spaced, None where they are not evenly."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns that this text will be an object
        spacing = pd.infer_freq(stamps)
    # Pandas takes ends of months for even of which some are the last weekday, and some the last day.
    even = spacing is not None and stamps.equals(pd.date_range(stamps[0], periods=len(stamps), freq=spacing))
    return spacing if even else None


def _first_uneven(stamps: "pd.DatetimeIndex") -> int:
    """Return the number of the first stamp that breaks the spacing of those before it."""
    even, uneven = 2, len(stamps)
    while uneven - even > 1:
        middle = (even + uneven) // 2
        even, uneven = (even, middle) if _spacing(stamps[:middle]) is None else (middle, uneven)
    return uneven - 1
