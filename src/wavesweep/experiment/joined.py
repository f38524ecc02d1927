"""What has which share in the forecast of a trained network beside a start, in words."""

from collections.abc import Mapping

from wavesweep.evaluation.metric_names import SHARE


def joined(start: str, metrics: Mapping[str, float]) -> list[str]:
    """Return a sentence on what forecasts, the largest share first; none where nothing was joined.

    Args:
        start: What forecasts before training.
        metrics: Of a run that has ended.
    """
    shares = {key.removeprefix(SHARE): share for key, share in metrics.items() if key.startswith(SHARE) and share > 0}
    parts = sorted(shares.items(), key=lambda part: -part[1])
    if not parts:
        return []
    told = ", ".join(f"{_named(name, start)} ({share:.0%})" for name, share in parts)
    return [f"The forecast joins {told}." if len(parts) > 1 else f"The forecast is by {_named(parts[0][0], start)}."]


def _named(part: str, start: str) -> str:
    """Return what people call a part of a forecast, as `Forecaster.parts` names it."""
    if part == "start":
        return start
    if part == "corrected":
        return f"{start} corrected by networks"
    if part == "known":
        return "networks of what is known in advance"
    return f"networks of the last {part.removeprefix('last_')} values"
