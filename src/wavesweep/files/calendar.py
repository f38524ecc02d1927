"""The seasons that the distance of time stamps suggests."""

from wavesweep.files.stamps import Spacing

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86_400, 604_800  # seconds
MONTHS = {"month": 1, "quarter": 3, "year": 12}
FEWEST = 4  # steps of a season; of hours and minutes, which are seasons of fine records alone, three times as many


def usual_seasons(freq: Spacing) -> dict[int, str]:
    """Return the seasons that are usual for such steps, the shortest first, and what is counted in each.

    Args:
        freq: How steps are spaced.

    Returns:
        Steps of a season: 24 for "hours of a day"; none for years and what no calendar divides.
    """
    import pandas as pd

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
