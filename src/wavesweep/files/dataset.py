"""The data set of a user's file: CSV, gzipped or not, or Parquet."""

from dataclasses import dataclass, field
from glob import has_magic
from math import nan
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from hydra_queue_sweeper.base.counting import counted
from hydra_queue_sweeper.base.errors import Refused
from wavesweep.data.dataset import Dataset, Known, Source
from wavesweep.data.known import Calendar, CalendarField, ChosenEffects, Effect, Transform
from wavesweep.files.options import Options

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wavesweep.files.reading import Content


class Csv(Options, Dataset):
    """Series that stand in a file, a row a time step: one, its channels side by side, or several below each other.

    Attributes:
        path: Of the file.
        calendar: What time stamps tell of a step, which is known in advance; null: nothing.
        effects: How forecasts depend on what is known in advance; null: chosen.
        transform: What is done to values before they are learnt; auto: what forecasts validation data better.
        digest: SHA-256 of the file, in hexadecimal digits; null: of the file as it is.
    """

    kind: Literal["csv"]
    path: Annotated[str, Field(pattern="^[^\\pC]+$")] | None
    calendar: Calendar | None
    effects: ChosenEffects | None
    transform: Transform
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
        path = Path(self.path or "")
        return path.parent.name if has_magic(path.name) else path.name.partition(".")[0]

    @property
    def known_columns(self) -> tuple[str, ...]:
        """See `Dataset.known_columns`."""
        return self.known or ()

    @property
    def calendar_fields(self) -> tuple[CalendarField, ...]:
        """See `Dataset.calendar_fields`."""
        return self.calendar or ()

    @property
    def chosen_effects(self) -> tuple[Effect, ...] | None:
        """See `Dataset.chosen_effects`."""
        return self.effects

    @property
    def chosen_transform(self) -> Transform:
        """See `Dataset.chosen_transform`."""
        return self.transform

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
        if self.calendar and content.series[0].stamps is None:
            rule = "must have a column of time stamps to tell the calendar of"
            raise Refused(f"{self.path}: {rule}, got none; give dataset.time_column=NAME, or dataset.calendar=null")
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
        notes = [note for note in (self.content.filled, self._future) if note]
        return "; ".join([what, *notes])

    @property
    def _future(self) -> str:
        """Say how many rows lie beyond the series, which tell what is known in advance."""
        ahead = [len(one.rows_ahead) for one in self.content.series]
        if not any(ahead):
            return ""
        least, most = min(ahead), max(ahead)
        count = f"{least:,} to {most:,} steps" if least < most else counted(most, "step")
        if not self.dataset.inputs:
            return f"{count} without values"
        of_each = " of each" if len(ahead) > 1 else ""
        return f"{count} beyond the last value{of_each}, known in advance"

    def filled(self) -> "np.ndarray | None":
        """See `Source.filled`."""
        if all(one.filled is None for one in self.content.series):
            return None
        return self._padded([one.filled for one in self.content.series], fill=False)

    def load(self, continuation: int) -> tuple["np.ndarray", "np.ndarray"]:
        """See `Source.load`."""
        values = self._padded([one.values for one in self.content.series], fill=nan)
        return values, values[:, :0]

    @property
    def known(self) -> tuple[Known | None, ...]:
        """See `Source.known`."""
        return tuple(one.known_in_advance for one in self.content.series)

    def load_inputs(self, continuation: int) -> "np.ndarray":
        """See `Source.load_inputs`."""
        import numpy as np

        from wavesweep.files.calendar import known_inputs

        steps = max(self.lengths) + continuation
        inputs = np.full((len(self.lengths), steps, len(self.dataset.inputs)), nan)
        for place, one in zip(inputs, self.content.series, strict=True):
            steps = len(one.values) + continuation
            place[:steps] = known_inputs(one.known, one.stamps, self.dataset.calendar_fields, steps)
        return inputs

    def _padded(self, parts: "list[np.ndarray | None]", fill: float) -> "np.ndarray":
        """Return what there is of each series, (time, channel), in one array; what is not there as `fill`."""
        import numpy as np

        padded = np.full((len(parts), max(self.lengths), len(self.channels)), fill)
        for place, part in zip(padded, parts, strict=True):
            if part is not None:
                place[: len(part)] = part
        return padded
