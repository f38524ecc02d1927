"""How a user's file is read: the options that a configuration gives, and that the readers take."""

from shlex import quote
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from hydra_queue_sweeper.base.errors import shown
from hydra_queue_sweeper.base.overrides import written
from wavesweep.base.schema import ConfigPart

MOST_TYPED = 300  # characters that a person pastes


def _check_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError(f"must name each column once, got {shown(names)}")
    return names


Columns = Annotated[tuple[str, ...], Field(strict=False, min_length=1), AfterValidator(_check_once)]


class Options(ConfigPart):
    """How a file is read; what is null, the file itself tells.

    Attributes:
        separator: Between cells. Null: that which stands most often in the header.
        decimal: What stands before the decimals of a number.
        encoding: Of the text, as Python calls it.
        time_column: Of time stamps, or of steps or years. Null: see `columns.find_roles`; there may be none.
        time_format: Of time stamps, in the letters of `strptime`. Null: any that can mean one thing alone.
        series_column: Of the names of several series. Null: as it is called; there may be none.
        value_columns: The channels. Null: all other columns.
        target: Those channels that are scored; null: all.
        known: Columns whose values are known in advance, which is what forecasts are told of; null: none.
        missing: Whether empty cells and absent time stamps are refused or filled in.
        duplicates: Whether several rows of one time stamp are refused or averaged.
    """

    separator: Literal[",", ";", "tab", "|", ":", " "] | None
    decimal: Literal[".", ","]
    encoding: str
    time_column: str | None
    time_format: str | None
    series_column: str | None
    value_columns: Columns | None
    target: Columns | None
    known: Columns | None
    missing: Literal["refuse", "interpolate"]
    duplicates: Literal["refuse", "mean"]

    @property
    def options(self) -> "Options":
        """These alone, of a part of the configuration that has more."""
        return Options(**{name: getattr(self, name) for name in Options.model_fields})

    def give(self, **values: object) -> str:
        """Return "give dataset.KEY=VALUE", ready to be pasted into a shell; the keys alone where that is too long."""
        overrides = [f"dataset.{key}=" + written(value, quote='"') for key, value in values.items()]
        typed = " ".join(map(quote, overrides))
        if len(typed) > MOST_TYPED:
            typed = " ".join(f"dataset.{key}" for key in values)
        return f"give {typed}"


class FixedOptions(Options):
    """The options of a file that is read as another was: they can't be given on the command line."""

    def give(self, **values: object) -> str:
        """Return what is to be done instead: there is no key to be given."""
        del values
        return "mend the file"
