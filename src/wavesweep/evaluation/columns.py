"""The columns of tables of forecasts."""

from collections.abc import Sequence


def columns_of(channels: Sequence[str], *, bounds: bool, levels: Sequence[float] = ()) -> list[tuple[str, ...]]:
    """Return the columns of each channel in tables of forecasts: its name, those of its interval, and of quantiles.

    They are NAME_lower and NAME_upper, and NAME_q05 of a level of 0.05, with as many underscores as no channel has.
    """
    beside = (["lower", "upper"] if bounds else []) + [quantile_name(level) for level in levels]
    gap = "_"
    while any(f"{channel}{gap}{what}" in channels for channel in channels for what in beside):
        gap += "_"
    return [(channel, *(f"{channel}{gap}{what}" for what in beside)) for channel in channels]


def quantile_name(level: float) -> str:
    """Return what the quantile of a level is called: q05, q50, q97.5."""
    whole, dot, rest = f"{100 * level:.10g}".partition(".")
    return f"q{whole:0>2}{dot}{rest}"
