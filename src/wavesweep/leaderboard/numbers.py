"""The numbers of a leaderboard as people see them; nothing where there is none."""

from wavesweep.search.estimates import Estimate
from wavesweep.search.space import Value


def error(value: float | None) -> str:
    """Write an error with four significant digits."""
    return "" if value is None else f"{value:.3e}"


def estimated(mean: Estimate | None) -> str:
    """Write a mean with its interval."""
    if mean is None:
        return ""
    told = error(mean.value)
    return told if mean.low is None else f"{told} ({interval(mean)})"


def interval(mean: Estimate | None, between: str = "–") -> str:
    """Write an interval with two digits, or as many more as tell its ends apart."""
    if mean is None or mean.low is None or mean.high is None:
        return ""
    for digits in (1, 2, 3):
        low, high = f"{mean.low:.{digits}e}", f"{mean.high:.{digits}e}"
        if low != high:
            break
    return f"{low}{between}{high}"


def compared(ratio: Estimate | None, *, logarithmic: bool) -> str:
    """Write how a configuration compares with the best: ×1.07 (1.02–1.12), or a difference."""
    if ratio is None:
        return ""
    value = f"×{times(ratio.value)}" if logarithmic else difference(ratio.value)
    if ratio.low is None:
        return value
    return f"{value} ({ends(ratio, '–', logarithmic=logarithmic)})"


def ends(ratio: Estimate, between: str, *, logarithmic: bool) -> str:
    """Write the interval of a ratio, or of a difference."""
    written = times if logarithmic else difference
    return between.join(written(end) for end in (ratio.low, ratio.high) if end is not None)


def times(ratio: float) -> str:
    """Write a ratio: with two decimals near 1, and few digits wherever it is."""
    if not 0.1 <= ratio < 9999.5:
        return f"{ratio:.2g}"
    if ratio < 9.995:
        return f"{ratio:.2f}"
    return f"{ratio:.1f}" if ratio < 99.95 else f"{ratio:.0f}"


def difference(value: float) -> str:
    """Write a difference with its sign."""
    return f"{value:+.2e}"


def percent(skill: float | None) -> str:
    """Write a skill, in words where the baseline is far better."""
    if skill is None:
        return ""
    return f"{skill:.1%}" if skill >= -1 else f"{1 - skill:.2g}x worse"


def short(value: Value) -> str:
    """Write a value that a person typed as it is, and what a sampler drew with four digits."""
    return f"{value:.4g}" if isinstance(value, float) and len(repr(value)) > 8 else str(value)


def seconds(value: float) -> str:
    """Write a time, with a decimal unless it is long."""
    return f"{value:.1f} s" if value < 99.95 else f"{value:.0f} s"


def listed(numbers: list[int]) -> str:
    """Write ascending numbers, those in a row as a range: 0-3, 7."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
