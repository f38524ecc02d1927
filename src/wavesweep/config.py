"""The typed configuration, and the one strict `parse` that every configuration passes."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from wavesweep.datasets import Dataset
from wavesweep.models import Model
from wavesweep.optimizers import Optimizer
from wavesweep.schema import ConfigPart, Count, NonNegative, NonNegativeInt, Refused, Seed, explain

FORMAT_VERSION = 1


class Training(ConfigPart):
    """How a network is trained; the optimizer drives the main stage."""

    epochs: Count | None
    refine_epochs: NonNegativeInt
    refine_windows: Count
    refine_restart_every: Count
    patience: NonNegativeInt
    record_every: Count
    standardize: bool
    window: NonNegativeInt | None
    batch_size: Count
    washout: NonNegativeInt | None
    noise_start: NonNegative
    noise_end: NonNegative
    clip_norm: NonNegative
    keep: Literal["best", "last"]
    epoch_figures: Literal["some", "all"]

    @model_validator(mode="after")
    def _fades(self) -> Self:
        if (self.noise_start == 0) != (self.noise_end == 0):
            raise ValueError(
                "noise_start and noise_end must both be 0, or both be greater, for a fade in equal ratios; "
                f"got {self.noise_start:g} and {self.noise_end:g}"
            )
        return self


class Forecast(ConfigPart):
    """The closed-loop forecasts that a model is scored on."""

    horizon: Count | None
    context: Count | None
    stride: Count | None


class Tracking(ConfigPart):
    """Where MLflow keeps its copy of the runs."""

    uri: Annotated[str, Field(min_length=1)]
    experiment: Annotated[str, Field(min_length=1)]
    required: bool

    @field_validator("uri")
    @classmethod
    def _names_a_store(cls, uri: str) -> str:
        if not re.match(r"https?://.|(postgresql|mysql|mssql)(\+\w+)?://.|sqlite:///(?!:memory:).", uri):
            raise ValueError(f"must be http://HOST, sqlite:///FILE or the address of another database, got {uri}")
        return uri


class Runtime(ConfigPart):
    """What the computation runs on; results depend on all three."""

    device: str
    dtype: Literal["float32", "float64"]
    threads: Annotated[int, Field(ge=1, le=1024)]

    @field_validator("device")
    @classmethod
    def _names_a_device(cls, device: str) -> str:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
            raise ValueError(f"must be auto, cpu, mps, cuda or cuda:N, got {device}")
        return device


class Config(ConfigPart):
    """One run, complete."""

    format_version: int
    seed: Seed
    objective: Literal["val/closed_loop_scaled_mse", "val/closed_loop_mse", "val/one_step_mse"]
    dataset: Dataset
    model: Model
    optimizer: Optimizer
    training: Training
    forecast: Forecast
    tracking: Tracking
    runtime: Runtime


def parse(values: Mapping[str, Any]) -> Config:
    """Turn plain values into a typed configuration.

    Args:
        values: Nested mappings, as composed by Hydra or read from a stored YAML file.

    Raises:
        Refused: With all problems, one line each.
    """
    version = values.get("format_version")
    if isinstance(version, int) and version != FORMAT_VERSION:
        raise Refused(
            f"format_version must be {FORMAT_VERSION}, got {version}; "
            f"this configuration needs {'a newer' if version > FORMAT_VERSION else 'an older'} wavesweep"
        )
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise Refused(explain(error, Config)) from None


def dump(config: Config) -> dict[str, Any]:
    """Return the plain values, such that `parse(dump(config)) == config`."""
    values = config.model_dump(mode="json")
    # What a part is stands first, as in conf/.
    return {key: {"kind": part["kind"], **part} if _has_kind(part) else part for key, part in values.items()}


def _has_kind(part: object) -> bool:
    return isinstance(part, dict) and "kind" in part


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values as one level of dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, Mapping)
        flat |= flatten(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat


def config_hash(config: Config) -> str:
    """Return the hash that a configuration shares with its replicates, which differ in their seeds alone.

    Args:
        config: With derived values filled in (see shapes.fill_in).

    Returns:
        16 hexadecimal digits; `tracking`, `seed` and `dataset.seed` are left out.
    """
    values = dump(config)
    del values["tracking"], values["seed"], values["dataset"]["seed"]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
