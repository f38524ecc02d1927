"""Tables of pandas, as a file with the same rows and columns would be read."""

from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import parquet

from hydra_queue_sweeper.base.errors import Refused, in_short
from hydra_queue_sweeper.base.files import write_atomically
from wavesweep.files.copies import copy_of
from wavesweep.files.options import Options
from wavesweep.files.parsing import read_table
from wavesweep.files.table import Table

if TYPE_CHECKING:
    import pandas as pd

NAME = "table.parquet"


def to_parquet(frame: "pd.DataFrame") -> bytes:
    """Return a table as Parquet; its index, where that is more than row numbers, is a column of it.

    Raises:
        Refused: If it can't be written.
    """
    check_frame(frame, "data")
    file = BytesIO()
    try:
        table = pa.Table.from_pandas(_with_times(_with_index(frame).rename(columns=str)), preserve_index=False)
        parquet.write_table(table, file)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise Refused(f"data can't be read as a table ({in_short(error):.80}); give columns of one type each") from None
    return file.getvalue()


def check_frame(frame: object, name: str) -> None:
    """Refuse an argument of this name that is no table."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise Refused(f"{name} must be a pandas table, got {type(frame).__name__}; give pandas.DataFrame(…)")


def _with_index(frame: Any) -> Any:
    """Return a table whose index is a column, unless it is row numbers, or there already."""
    import pandas as pd

    index = frame.index
    if isinstance(index, pd.RangeIndex):
        return frame
    if isinstance(index, pd.MultiIndex):
        return frame.reset_index()
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    name = index.name or ("time" if isinstance(index, pd.DatetimeIndex) else "index")
    if name in frame:
        return frame.reset_index(drop=True)
    return frame.set_axis(index.rename(name)).reset_index()


def _with_times(frame: Any) -> Any:
    """Return a table whose periods are the times at which they begin, as those of an index are."""
    import pandas as pd

    if not frame.columns.is_unique:
        raise ValueError("several columns have one name")
    periods = [name for name, kind in frame.dtypes.items() if isinstance(kind, pd.PeriodDtype)]
    return frame.assign(**{name: frame[name].dt.to_timestamp() for name in periods})


def keep_frame(frame: "pd.DataFrame") -> Path:
    """Write a table below `outputs/data`, where it is read as a file; return where, the same for the same table."""
    content = to_parquet(frame)
    place = copy_of(NAME, sha256(content).hexdigest())
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, content)
    return place


def read_frame(frame: "pd.DataFrame", options: Options) -> Table:
    """Return the cells of a table.

    Raises:
        Refused: If it is none that could be read from a file.
    """
    return read_table(Path("the table"), to_parquet(frame), options)
