"""The configurations that a sweep is given to begin with, read from a table such as a leaderboard."""

import csv
import io
from pathlib import Path

from wavesweep.base.errors import Refused
from wavesweep.search.space import Dimension
from wavesweep.search.trials import Configuration, is_seed


def parse_given(text: str, source: Path, dimensions: list[Dimension]) -> list[Configuration]:
    """Read configurations from CSV that has a column for each key that is swept.

    Args:
        text: The CSV.
        source: Where it comes from, for messages.
        dimensions: Of the sweep.

    Raises:
        Refused: If a column is missing, or a value is none of the dimension's.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(text)))
    except csv.Error as error:
        raise Refused(f"{source} can't be read ({error}); name a CSV file") from None
    columns = rows[0] if rows else {}
    shared = [one for one in dimensions if not is_seed(one.key)]
    for one in shared:
        if one.swept and one.name not in columns:
            raise Refused(f"{source} must have a row, and a column for each key that is swept, but has no {one.name}")
    given: list[Configuration] = []
    for line, row in enumerate(rows, start=2):
        place = f"{source}, line {line}"
        given.append(tuple(_override(one, row.get(one.name), place) for one in shared))
    return list(dict.fromkeys(given))


def _override(dimension: Dimension, cell: str | None, place: str) -> str:
    """Return the override that a cell stands for."""
    value = dimension.find(cell or "") if dimension.swept else dimension.values[0]
    if value is None:
        must = f"{dimension.name} must be of {dimension.text}"
        raise Refused(f"{place}: {must}, got {cell}; mend or remove the row")
    return f"{dimension.key}={value}"
