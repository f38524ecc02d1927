"""The numbers of a leaderboard as people see them; nothing where there is none."""

from itertools import groupby

from hydra_queue_sweeper.search.estimates import Estimate
from hydra_queue_sweeper.search.space import Value


def error(value: float | None) -> str:
    """Write an error with four significant digits."""
    return "" if value is None else f"{value:.3e}"


def estimated(mean: Estimate | None) -> str:
    """Write a mean with its interval."""
    if mean is None or mean.low is None:
        return error(mean and mean.value)
    return f"{error(mean.value)} ({interval(mean)})"


def interval(mean: Estimate | None) -> str:
    """Write an interval with two digits, or as many more as tell its ends apart."""
    if mean is None or mean.low is None or mean.high is None:
        return ""
    for digits in (1, 2, 3):
        low, high = f"{mean.low:.{digits}e}", f"{mean.high:.{digits}e}"
        if low != high:
            break
    return f"{low}–{high}"


def compared(ratio: Estimate | None, *, logarithmic: bool) -> str:
    """Write how a configuration compares with the best: ×1.07 (1.02–1.12), or a difference."""
    if ratio is None:
        return ""
    value, *ends = (_ratio(end) if logarithmic else f"{end:+.2e}" for end in ratio if end is not None)
    if logarithmic:
        value = f"×{value}"
    return f"{value} ({'–'.join(ends)})" if ends else value


def _ratio(value: float) -> str:
    """Write a ratio with three digits, or as many more, up to six, as tell it from 1."""
    for digits in (3, 4, 5, 6):
        text = f"{value:.{digits}g}"
        if text != "1":
            break
    return text


def short(value: Value) -> str:
    """Write a value that a person typed as it is, and what a sampler drew with four digits."""
    return f"{value:.4g}" if isinstance(value, float) and len(repr(value)) > 8 else str(value)


def listed(numbers: list[int]) -> str:
    """Write ascending numbers, those in a row as a range: 0-3, 7."""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
