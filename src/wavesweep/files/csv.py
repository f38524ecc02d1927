"""The data set of a user's file: CSV, gzipped or not, or Parquet."""

import re
from codecs import lookup
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field

from wavesweep.base.errors import Refused, shown, suggestion
from wavesweep.base.schema import known
from wavesweep.data.dataset import Dataset
from wavesweep.files.options import Options

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wavesweep.files.reading import Content


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

    knows_continuation: ClassVar[bool] = False

    @property
    def options(self) -> Options:
        """How the file is read."""
        return Options(**{name: getattr(self, name) for name in Options.model_fields})

    @property
    def content(self) -> "Content":
        """What the file holds; it is read once for all configurations that read it alike."""
        from wavesweep.files.reading import read_file

        if self.path is None:
            rule = "must name a file, CSV (.csv, .csv.gz) or Parquet"
            raise Refused(f"dataset.path {rule}, got null; give dataset.path=FILE")
        return read_file(self.path, self.digest, self.options)

    @property
    def channels(self) -> tuple[str, ...]:
        """See `Dataset.channels`."""
        return self.value_columns or known(self.content.options.value_columns)

    @property
    def targets(self) -> tuple[str, ...]:
        """See `Dataset.targets`."""
        return self.target or self.channels

    @property
    def shape(self) -> tuple[int, int]:
        """See `Dataset.shape`."""
        return len(self.lengths), min(self.lengths)

    @property
    def splits_by_time(self) -> bool:
        """See `Dataset.splits_by_time`."""
        return True

    @property
    def lengths(self) -> tuple[int, ...]:
        """See `Dataset.lengths`."""
        return tuple(len(one.values) for one in self.content.series)

    @property
    def names(self) -> tuple[str | int, ...]:
        """See `Dataset.names`."""
        return tuple(one.name for one in self.content.series)

    @property
    def series_label(self) -> str:
        """See `Dataset.series_label`."""
        return self.series_column or super().series_label

    @property
    def stamps(self) -> "tuple[pd.DatetimeIndex | None, ...]":
        """See `Dataset.stamps`."""
        return tuple(one.stamps for one in self.content.series)

    @property
    def source(self) -> tuple[str, str] | None:
        """See `Dataset.source`."""
        return (known(self.path), self.digest) if self.digest else None

    @property
    def title(self) -> str:
        """See `Dataset.title`."""
        return Path(known(self.path)).name.partition(".")[0]

    @property
    def summary(self) -> str:
        """What the file holds, in a line: its series, steps and channels, and what was filled in."""
        from wavesweep.files.stamps import in_words

        least, most = min(self.lengths), max(self.lengths)
        [stamps, *_] = self.stamps
        steps = "steps" if stamps is None else in_words(stamps.freq)
        length = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        count, shown_channels = len(self.channels), ", ".join(self.channels[:6]) + ", …" * (len(self.channels) > 6)
        what = (
            f"{len(self.lengths):,} series of {length} {steps}, {count} channel{'s' * (count > 1)} ({shown_channels})"
        )
        filled = self.content.filled
        return f"{Path(known(self.path)).name}: {what}{f'; {filled}' if filled else ''}"

    def with_sizes(self) -> Self:
        """See `Dataset.with_sizes`."""
        content = self.content
        for name in self.target or ():
            if name not in known(content.options.value_columns):
                nearest = suggestion(name, known(content.options.value_columns))
                raise Refused(f"dataset.target: {shown(name)} is no channel of {self.path}; {nearest:.200}")
        read = {name: value for name, value in vars(content.options).items() if name in type(self).model_fields}
        return self.model_copy(update=read | {"digest": content.digest})

    def filled(self) -> "np.ndarray | None":
        """See `Dataset.filled`."""
        masks = [one.filled for one in self.content.series]
        return self._padded(masks, fill=False) if any(mask is not None for mask in masks) else None

    def load(self, continuation: int) -> tuple["np.ndarray", "np.ndarray"]:
        """See `Dataset.load`."""
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
