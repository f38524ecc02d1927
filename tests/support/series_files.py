"""Files of series, and the data set that reads one."""

from pathlib import Path
from typing import Any

import pandas as pd

from wavesweep.config.groups import read_option
from wavesweep.files.dataset import Csv, File

OPTION = read_option("dataset", "csv")


def csv(path: Path, **values: Any) -> Csv:
    """Return the data set of a file, as it is written."""
    return Csv.model_validate({**OPTION, "path": str(path), **values})


def opened(path: Path, **values: Any) -> File:
    """Return the series of a file."""
    source = csv(path, **values).open(0)
    assert isinstance(source, File)
    return source


def read(path: Path, table: pd.DataFrame, **options: object) -> File:
    """Write a table as CSV; return the series of that file."""
    table.to_csv(path, index=False)
    return opened(path, **options)


def written(path: Path, content: str | bytes) -> Path:
    """Write a file; return its path."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
