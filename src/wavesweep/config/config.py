"""The typed configuration, and the one strict `parse` that every configuration passes."""

import json
import re
from collections.abc import Collection, Container, Mapping
from functools import cache
from hashlib import sha256
from math import isfinite
from pathlib import Path
from pkgutil import iter_modules
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError, field_validator

import wavesweep.data.generated  # whose members are found, as those of the next
import wavesweep.files.dataset
import wavesweep.models.pointwise
import wavesweep.models.recurrent  # noqa: F401
from hydra_queue_sweeper.base.errors import Refused, shown
from hydra_queue_sweeper.base.redaction import (
    NO_PASSWORDS,
    is_of_a_secret,
    public_address,
    public_store,
    without_password,
)
from wavesweep.base.schema import AnyMember, ConfigPart, Seed
from wavesweep.config.objections import explain
from wavesweep.config.tag_names import OWN
from wavesweep.data.dataset import Dataset
from wavesweep.data.forecast import Forecast, ResolvedForecast
from wavesweep.evaluation.metric_names import Objective
from wavesweep.models.configured import Model, ResolvedModel
from wavesweep.models.losses import Loss, choose_loss
from wavesweep.training.configured import ResolvedTraining, Training
from wavesweep.training.optimizers import Optimizer, ResolvedOptimizer

FORMAT_VERSION = 4
TRACKERS = Path(__file__).parents[1] / "trackers"
MOST_TAGS, MOST_NAME, MOST_TAG = 50, 250, 8_000  # MLflow's own limits of characters; of tags, it takes 100 at once


def _check_text(text: str, most: int) -> str:
    if public_address(text) != text or without_password(text) != text:
        raise ValueError(NO_PASSWORDS)
    if len(text) > most or not text.strip() or not text.isprintable():
        raise ValueError(f"must be a line of 1 to {most} characters, got {text!r:.40}")
    return text


def _check_tags(tags: dict[str, Any]) -> dict[str, Any]:
    """Refuse what MLflow would refuse (see its `utils/validation.py`), and the names that it and this program use."""
    for key, value in tags.items():
        if key.startswith(("mlflow.", OWN)):
            raise ValueError(f"{key} must not begin with mlflow. or wavesweep., whose tags they are; choose another")
        if is_of_a_secret(key):
            raise ValueError(f"{key} {NO_PASSWORDS}")
        if not re.fullmatch(r"\w[\w.\- :]{0,249}", key):
            rule = "a name of letters, digits, spaces and _ - . : between them, of at most 250 characters"
            raise ValueError(f"{key!r:.40} must be {rule}; choose another")
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not isfinite(value)):
            raise ValueError(f"{key} must be text, a number, true or false, got {shown(value)}; write it as text")
        try:
            _check_text(str(value), MOST_TAG)
        except ValueError as error:
            raise ValueError(f"{key} {error}") from None
    return tags


@cache
def _trackers() -> list[str]:
    """Return the names of all trackers that there are, without importing them."""
    return [module.name for module in iter_modules([str(TRACKERS)])]


def _check_followers(names: tuple[str, ...]) -> tuple[str, ...]:
    known = _trackers()
    for name in names:
        if name not in known:
            raise ValueError(f"{name!r:.40} must be one of {', '.join(known)}; [] tracks nothing")
    if len({*names}) < len(names):
        raise ValueError(f"must name each once, got {', '.join(names)}")
    return names


class Tracking(ConfigPart):
    """Who gets copies of runs, and the store in which MLflow keeps its own."""

    followers: Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_check_followers)]
    uri: Annotated[str, Field(min_length=1)]
    experiment: Annotated[str, Field(min_length=1)]
    required: bool
    run_name: Annotated[str, AfterValidator(lambda name: _check_text(name, MOST_NAME))] | None = (
        None  # no `null` is stored
    )
    tags: Annotated[dict[str, Any], AfterValidator(_check_tags)] = Field(max_length=MOST_TAGS)

    @field_validator("uri")
    @classmethod
    def _names_a_store(cls, uri: str) -> str:
        if public_store(uri) != uri:
            raise ValueError(NO_PASSWORDS)
        if not uri.isprintable():
            raise ValueError(f"must be one line of characters that can be printed, got {uri!r}")
        if not re.match(r"https?://.|(postgresql|mysql|mssql)(\+\w+)?://.|sqlite:///(?!:memory:).", uri):
            raise ValueError(f"must be http://HOST, sqlite:///FILE or the address of another database, got {uri}")
        try:
            _ = urlsplit(uri).port
        except ValueError as error:
            raise ValueError(f"must be an address, got {uri} ({error})") from None
        path = Path(uri.removeprefix("sqlite:///")).absolute()
        if uri.startswith("sqlite:") and re.search("[?%]", str(path)):
            raise ValueError(f"must be a path without ? and %, which MLflow reads as something else, got {path}")
        return uri


class Runtime(ConfigPart):
    """Device, precision and threads; results depend on all three."""

    device: Annotated[str, Field(pattern="^(auto|cpu|mps|cuda(:[0-9]+)?)$")]
    dtype: Literal["float32", "float64"]
    threads: Annotated[int, Field(ge=1, le=1024)]


class Config(ConfigPart):
    """One run, as it is written: `null` is what shapes or data tell."""

    format_version: int
    seed: Seed
    objective: Objective
    # Members are found, not listed: a new one touches its class and its YAML file alone.
    dataset: Annotated[Dataset, AnyMember()]
    model: Annotated[Model, AnyMember()]
    optimizer: Annotated[Optimizer, AnyMember()]
    training: Training
    forecast: Forecast
    tracking: Tracking
    runtime: Runtime


class Resolved(Config):
    """One run with nothing left open; what was read or drawn of a data set stands in it."""

    model: Annotated[ResolvedModel, AnyMember()]
    optimizer: Annotated[ResolvedOptimizer, AnyMember()]
    training: ResolvedTraining
    forecast: ResolvedForecast

    @property
    def loss(self) -> Loss:
        """What its network is trained by, which the number of outputs follows from."""
        return choose_loss(self.training.loss, self.forecast.levels)


Kind = TypeVar("Kind", bound=Config)


def parse(values: Mapping[str, Any]) -> Config:
    """Turn plain values into a typed configuration.

    Args:
        values: Nested mappings, as composed by Hydra or read from a stored YAML file.

    Raises:
        Refused: With all problems, one line each.
    """
    return _parse(values, Config)


def parse_resolved(values: Mapping[str, Any]) -> Resolved:
    """Turn the plain values that a run stored into its configuration.

    Raises:
        Refused: With all problems, one line each; what was left open is one.
    """
    return _parse(values, Resolved)


def _parse(values: Mapping[str, Any], kind: type[Kind]) -> Kind:
    version = values.get("format_version")
    if isinstance(version, int) and version != FORMAT_VERSION:
        raise Refused(
            f"format_version must be {FORMAT_VERSION}, got {version}; "
            f"this configuration needs {'a newer' if version > FORMAT_VERSION else 'an older'} wavesweep"
        )
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise Refused(explain(error, kind)) from None


def dump(config: Config) -> dict[str, Any]:
    """Return the plain values, such that `parse(dump(config)) == config`."""
    return config.model_dump(mode="json")


def with_runtime(config: Kind, runtime: Runtime, keys: Collection[str]) -> Kind:
    """Return a configuration with those values of another runtime whose dotted keys are given."""
    values = {name: value for name, value in runtime.model_dump().items() if f"runtime.{name}" in keys}
    return config.model_copy(update={"runtime": config.runtime.model_copy(update=values)})


def digest(values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of plain values but `tracking`'s, in 16 hexadecimal digits: as they stand, of any format."""
    return sha256(json.dumps({**values, "tracking": None}, sort_keys=True, default=str).encode()).hexdigest()[:16]


def flatten(values: Mapping[str, Any], prefix: str = "", whole: Container[str] = ()) -> dict[str, Any]:
    """Return nested values as one level of dotted keys, but those of some keys as they are."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{prefix}{name}"
        nested = isinstance(value, Mapping) and key not in whole
        flat |= flatten(value, f"{key}.", whole) if nested else {key: value}
    return flat
