"""The data set of a user's file: CSV, gzipped or not, or Parquet."""

import re
from codecs import lookup
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from wavesweep.base.errors import Refused, shown, suggestion
from wavesweep.data.dataset import Dataset
from wavesweep.data.source import Source

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wavesweep.files.reading import Content
    from wavesweep.files.table import Options


def _is_a_line(path: str) -> str:
    if not path or not path.isprintable():
        raise ValueError(f"must name a file, got {shown(path)}; give dataset.path=FILE")
    return path


def _separates(text: str) -> str:
    if text != "tab" and (len(text) != 1 or text.isalnum() or not text.isprintable() or text in "\"'.+-"):
        raise ValueError(f'must be one sign, such as ";", or tab, got {shown(text)}')
    return text


def _encodes(text: str) -> str:
    try:
        name = lookup(text).name
    except (LookupError, ValueError):
        name = ""
    if not re.match(r"utf|cp\d|iso8859|mac|koi|gb|euc|shift|big5|ascii|tis|johab|kz|hz", name):
        raise ValueError(f"must be an encoding of texts, such as utf-8, cp1252 or utf-16, got {shown(text)}")
    return text


def _is_a_digest(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError(f"must be a SHA-256, 64 hexadecimal digits, or null, got {shown(text)}")
    return text


def _differ(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError(f"must name each column once, got {shown(names)}")
    return names


Columns = Annotated[tuple[str, ...], Field(strict=False, min_length=1), AfterValidator(_differ)]


class Csv(Dataset):
    """Series that stand in a file, a row a time step: one, its channels side by side, or several below each other.

    Attributes:
        path: Of the file.
        separator: Between cells; tab is one too. Null: as the header shows.
        decimal: What stands before the decimals of a number.
        encoding: Of the text, as Python calls it.
        time_column: Of time stamps, or of steps or years. Null: as its name or its cells tell; there may be none.
        time_format: Of time stamps, in the letters of `strptime`. Null: any that can mean one thing alone.
        series_column: Of the names of several series. Null: as its name or its cells tell; there may be none.
        value_columns: The channels. Null: all other columns.
        target: Those that are scored; null: all.
        missing: Whether empty cells and absent time stamps are refused or filled in.
        duplicates: Whether several rows of one time stamp are refused or averaged.
        digest: SHA-256 of the file, in hexadecimal digits; null: of the file as it is.
    """

    kind: Literal["csv"]
    path: Annotated[str, AfterValidator(_is_a_line)] | None
    separator: Annotated[str, AfterValidator(_separates)] | None
    decimal: Literal[".", ","]
    encoding: Annotated[str, AfterValidator(_encodes)]
    time_column: str | None
    time_format: str | None
    series_column: str | None
    value_columns: Columns | None
    target: Columns | None
    missing: Literal["refuse", "interpolate"]
    duplicates: Literal["refuse", "mean"]
    digest: Annotated[str, AfterValidator(_is_a_digest)] | None

    @property
    def options(self) -> "Options":
        """How the file is read."""
        from wavesweep.files.table import Options

        return Options(**self.model_dump(include=set(Options.__dataclass_fields__)))

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
        read = {name: value for name, value in vars(content.options).items() if name in type(self).model_fields}
        # A file has no seed: whatever it is, what is found in the series is the same.
        found = self.model_copy(update={**read, "digest": content.digest, "seed": 0})
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
    def summary(self) -> str:
        """See `Source.summary`: series, steps and channels, and what was filled in."""
        from wavesweep.files.stamps import in_words

        least, most = min(self.lengths), max(self.lengths)
        length = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        stamps = self.stamps[0]
        steps = "steps" if stamps is None else in_words(stamps.freq)
        channels = ", ".join(self.channels[:6])
        if len(self.channels) > 6:
            channels += ", …"
        counted = "1 channel" if len(self.channels) == 1 else f"{len(self.channels)} channels"
        what = f"{Path(self.path).name}: {len(self.lengths):,} series of {length} {steps}, {counted} ({channels})"
        return f"{what}; {self.content.filled}" if self.content.filled else what

    def filled(self) -> "np.ndarray | None":
        """See `Source.filled`."""
        masks = [one.filled for one in self.content.series]
        return self._padded(masks, fill=False) if any(mask is not None for mask in masks) else None

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
