"""Comparisons in words and tables."""

from collections.abc import Sequence

from hydra_queue_sweeper.base.counting import counted
from hydra_queue_sweeper.base.errors import printable
from wavesweep.reproduction.comparison import Comparison, differences, final_metrics, is_damaged
from wavesweep.reproduction.stored import StoredRun

MOST = 10  # metrics that are shown
MISSING = "–"


def verdict(stored: StoredRun, again: StoredRun, comparison: Comparison, rtol: float = 0.0) -> str:
    """Return how a run compares with the one that it reproduces: a line if they are equal, else tables.

    Args:
        stored: The run that was there before.
        again: The one that should equal it.
        comparison: Of the two.
        rtol: What it was made with.
    """
    epochs = len(stored.records.keys() - {0})
    what = f"{comparison.num_values} values of {counted(epochs, 'epoch')}"
    if comparison.equal:
        how = f"equal within a relative {rtol:g}" if rtol else "equal to the last bit"
        weights = " and the weights" if stored.weights and not rtol else ""
        return f"{how}: {what}{weights}; {again.place} reproduces {stored.place}"
    rows = [(epoch or "end", *one) for (epoch, _), one in comparison.metrics.items()]
    lines = [f"{again.place} differs from {stored.place}: {len(rows)} of {what}"]
    if rows:
        lines[0] += f", from epoch {rows[0][0]} on" if rows[0][0] != "end" else ", which are measured at the end"
        lines += _table(("epoch", "metric", "stored", "again"), *rows[:MOST])
        lines += [f"… and {len(rows) - MOST} more"] * (len(rows) > MOST)
    if comparison.ending:
        lines += _table(("the end", "stored", "again"), *comparison.ending)
    return "\n".join([*lines, *_causes(stored, comparison)])


def _causes(stored: StoredRun, comparison: Comparison) -> list[str]:
    """Return lines on what may have made the difference, the likely cause first."""
    if is_damaged(stored):
        return [f"The weights of {stored.place} are not those whose digest it recorded: its file was changed."]
    if comparison.causes:
        return _table(("what else differs, the likely cause first", "stored", "again"), *comparison.causes)
    return ["Nothing else differs that is known: neither configuration, data, code, versions nor machine."]


def diff(first: StoredRun, second: StoredRun) -> str:
    """Return what differs between two runs: configuration, data, code, versions, machine, and final metrics."""
    scores = final_metrics(first), final_metrics(second)
    pairs = {key: (scores[0].get(key), scores[1].get(key)) for key in {**scores[0], **scores[1]}}
    metrics = [[key, *map(_rounded, pair)] for key, pair in pairs.items() if pair[0] != pair[1]]
    rows = list(differences(first, second))
    if not rows and not metrics:
        return "nothing differs: configuration, data, code, versions, machine and final metrics are the same"
    heading = [("final metrics", "", "")] if metrics else []
    return "\n".join(_table(("what differs", first.place, second.place), *rows, *heading, *metrics))


def _rounded(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4g}"


def _shown(value: object) -> str:
    """Write a value in full, but a digest in a few digits."""
    if value is None:
        return MISSING
    text = repr(value) if isinstance(value, float) else str(value)
    return text[:12] if len(text) >= 40 and text.isalnum() else printable(text).replace("\n", "\\n")


def _table(*rows: Sequence[object]) -> list[str]:
    """Return rows in plain lines, with their columns aligned."""
    cells = [list(map(_shown, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
