"""The picture of forecasts beyond what was observed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hydra_queue_sweeper.charts.style import COLOURS, head, save
from wavesweep.data.dataset import Observed
from wavesweep.drawing import panels
from wavesweep.drawing.panels import EDGE, LEFT, shown_of
from wavesweep.files.stamps import following

MOST_CHANNELS, MOST_SERIES = 6, 3  # of which a picture has panels


def draw_continuations(
    path: Path,
    channels: Sequence[str],
    series: Sequence[Observed],
    forecasts: Sequence[np.ndarray],
    title: str,
    bands: Mapping[str, Sequence[np.ndarray]] | None = None,
) -> None:
    """Draw how series go on beyond what was observed: a panel and a colour for each, three at most.

    Of several channels, a panel for each of six at most, of the first series.

    Args:
        path: Where the picture goes.
        channels: Their names.
        series: What was observed of each.
        forecasts: How it goes on, (horizon, channel).
        title: Of the picture.
        bands: How far intervals reach below and above each forecast, (2, horizon, channel), nan where there is none,
            by name.
    """
    single = len(channels) == 1
    if single:
        drawn = [(number, 0) for number in range(min(len(series), MOST_SERIES))]
        more = shown_of(MOST_SERIES, len(series), "series")
    else:
        drawn = [(0, channel) for channel in range(min(len(channels), MOST_CHANNELS))]
        more = shown_of(MOST_CHANNELS, len(channels), "channels") + shown_of(1, len(series), "series")
    dated = all(series[number].times is not None for number, _ in drawn)
    figure, stacked = panels.stack(1.7, "" if dated else "time step", len(drawn))
    for axes, (number, channel), colour in zip(stacked, drawn, COLOURS, strict=False):
        one = series[number]
        values = forecasts[number][:, channel]
        known = one.values if one.filled is None else np.where(one.filled, np.nan, one.values)
        end = known[-max(len(values), 20) :, channel]
        ahead = np.append(end[-1:], values)  # begins at the last observed value, so that lines meet
        steps = _around_end(one, len(end), len(values), dated)
        steps_ahead = steps[len(steps) - len(ahead) :]
        panels.draw_truth(axes, steps[: len(end)], end, "observed")
        panels.draw_line(axes, steps_ahead, ahead, "forecast", color=colour, lw=1.6)
        for name, reaches in (bands or {}).items():
            panels.draw_band(axes, steps_ahead, ahead, reaches[number][..., channel], name, colour)
        axes.axvline(steps[max(len(end) - 1, 0)], **EDGE)
        name = one.name if single and len(series) > 1 else channels[channel]
        axes.set_ylabel(panels.two_lines(str(name)), color=colour, parse_math=False)
        if np.isfinite(end).any():  # the pointwise network forecasts series of no steps too
            panels.limit([axes], end, room=3)  # where a forecast goes is what is asked here
    if dated:
        panels.name_dates(stacked[-1])
    begins = {_first_ahead(series[number]) for number, _ in drawn}
    if len(begins) == 1:
        title = f"{title} · {begins.pop()}"
    head(figure, title + more, LEFT)
    save(figure, path)


def _first_ahead(series: Observed) -> str:
    """Return where the forecast of a series begins."""
    if series.times is None:
        return f"from step {series.start + len(series.values)}"
    return f"from {following(series.times, 1)[0]}".removesuffix(" 00:00:00")


def _around_end(series: Observed, past: int, ahead: int, dated: bool) -> np.ndarray:
    """Return the last observed steps of a series and those that come next: as dates, or by number."""
    if not dated or series.times is None:
        origin = series.start + len(series.values)
        return np.arange(origin - past, origin + ahead)
    both = [series.times[len(series.times) - past :], following(series.times, ahead)]
    return np.concatenate([one.tz_localize(None).to_numpy() for one in both])
