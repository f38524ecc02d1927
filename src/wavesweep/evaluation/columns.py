"""The columns of tables of forecasts."""

from collections.abc import Sequence


def columns_of(channels: Sequence[str], *, bounds: bool) -> list[tuple[str, ...]]:
    """Return the columns of each channel in tables of forecasts: its name, and those of the bounds of its interval.

    They are NAME_lower and NAME_upper, with as many underscores as no channel has.
    """
    if not bounds:
        return [(channel,) for channel in channels]
    gap = "_"
    while any(f"{channel}{gap}{bound}" in channels for channel in channels for bound in ("lower", "upper")):
        gap += "_"
    return [(channel, f"{channel}{gap}lower", f"{channel}{gap}upper") for channel in channels]
