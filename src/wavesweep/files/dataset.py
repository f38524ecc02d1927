"""The data set of a user's file: CSV, gzipped or not, or Parquet."""

from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from hydra_queue_sweeper.base.counting import counted
from hydra_queue_sweeper.base.errors import Refused, shown, suggestion
from wavesweep.data.dataset import Dataset, Source
from wavesweep.files.options import Columns, Options

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wavesweep.files.reading import Content


class Csv(Options, Dataset):
    """Series that stand in a file, a row a time step: one, its channels side by side, or several below each other.

    Attributes:
        path: Of the file.
        target: Those that are scored; null: all.
        digest: SHA-256 of the file, in hexadecimal digits; null: of the file as it is.
    """

    kind: Literal["csv"]
    path: Annotated[str, Field(pattern="^[^\\pC]+$")] | None
    target: Columns | None
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None

    @property
    def channels(self) -> tuple[str, ...]:
        """See `Dataset.channels`."""
        if self.value_columns is None:
            raise Refused("dataset.value_columns must name the channels of the file, got null; give them")
        return self.value_columns

    @property
    def series_label(self) -> str:
        """See `Dataset.series_label`."""
        return self.series_column or super().series_label

    @property
    def title(self) -> str:
        """See `Dataset.title`."""
        return Path(self.path or "").name.partition(".")[0]

    @property
    def file(self) -> tuple[str, str] | None:
        """See `Dataset.file`."""
        if self.path is None or self.digest is None:
            return None
        return self.path, self.digest

    def open(self, seed: int) -> Source:
        """See `Dataset.open`; a file is read once for all configurations that read it alike."""
        from wavesweep.files.reading import read_file

        if self.path is None:
            rule = "must name a file, CSV (.csv, .csv.gz) or Parquet"
            raise Refused(f"dataset.path {rule}, got null; give dataset.path=FILE")
        content = read_file(self.path, self.digest, self.options)
        # A file has no seed: whatever it is, what is found in the series is the same.
        found = self.model_copy(update={**dict(content.options), "digest": content.digest, "seed": 0})
        for name in self.target or ():
            if name not in found.channels:
                nearest = suggestion(name, found.channels)
                raise Refused(f"dataset.target: {shown(name)} is no channel of {self.path}; {nearest:.200}")
        return File(found, self.path, content)


@dataclass(frozen=True)
class File(Source):
    """Series that were read from a file.

    Attributes:
        path: Of the file.
        content: What it holds.
    """

    dataset: Csv
    path: str
    content: "Content" = field(compare=False, repr=False)

    knows_continuation: ClassVar[bool] = False

    @property
    def targets(self) -> tuple[str, ...]:
        """See `Source.targets`."""
        return self.dataset.target or self.channels

    @property
    def shape(self) -> tuple[int, int]:
        """See `Source.shape`."""
        return len(self.lengths), min(self.lengths)

    @property
    def is_divided_by_time(self) -> bool:
        """See `Source.is_divided_by_time`."""
        return True

    @property
    def lengths(self) -> tuple[int, ...]:
        """See `Source.lengths`."""
        return tuple(len(one.values) for one in self.content.series)

    @property
    def names(self) -> tuple[str | int, ...]:
        """See `Source.names`."""
        return tuple(one.name for one in self.content.series)

    @property
    def stamps(self) -> "tuple[pd.DatetimeIndex | None, ...]":
        """See `Source.stamps`."""
        return tuple(one.stamps for one in self.content.series)

    @property
    def usual_seasons(self) -> dict[int, str] | None:
        """See `Source.usual_seasons`."""
        from wavesweep.files.calendar import usual_seasons

        stamps = self.stamps[0]
        if stamps is not None:
            return usual_seasons(stamps.freq)
        return {} if (self.dataset.time_column or "").lower() == "year" else None

    @property
    def usual_horizon(self) -> tuple[int, str] | None:
        """See `Source.usual_horizon`."""
        from wavesweep.files.calendar import usual_horizon

        stamps = self.stamps[0]
        return None if stamps is None else usual_horizon(stamps.freq)

    @property
    def summary(self) -> str:
        """See `Source.summary`: series, steps and channels, and what was filled in."""
        from wavesweep.files.stamps import in_words

        least, most = min(self.lengths), max(self.lengths)
        length = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        stamps = self.stamps[0]
        steps = "steps" if stamps is None else in_words(stamps.freq)
        channels = shorten(", ".join(self.channels), 100, placeholder=" …")
        width = counted(len(self.channels), "channel")
        what = f"{Path(self.path).name}: {len(self.lengths):,} series of {length} {steps}, {width} ({channels})"
        return f"{what}; {self.content.filled}" if self.content.filled else what

    def filled(self) -> "np.ndarray | None":
        """See `Source.filled`."""
        if all(one.filled is None for one in self.content.series):
            return None
        return self._padded([one.filled for one in self.content.series], fill=False)

    def load(self, continuation: int) -> tuple["np.ndarray", "np.ndarray"]:
        """See `Source.load`."""
        values = self._padded([one.values for one in self.content.series], fill=nan)
        return values, values[:, :0]

    def _padded(self, parts: "list[np.ndarray | None]", fill: float) -> "np.ndarray":
        """Return what there is of each series, (time, channel), in one array; what is not there as `fill`."""
        import numpy as np

        padded = np.full((len(parts), max(self.lengths), len(self.channels)), fill)
        for place, part in zip(padded, parts, strict=True):
            if part is not None:
                place[: len(part)] = part
        return padded
