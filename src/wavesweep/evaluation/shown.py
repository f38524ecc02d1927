"""What pictures of a run show: arrays and texts, which a run keeps so that they can be drawn at any time."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from hydra_queue_sweeper.base.errors import Refused, in_short
from hydra_queue_sweeper.base.files import read_small
from wavesweep.evaluation.metric_names import ONE_STEP, SCALED, TRAIN_LOSS, metric

Named = dict[str, np.ndarray]
CURVES = (TRAIN_LOSS, metric("val", SCALED), metric("val", ONE_STEP))  # what is shown of training
MOST_BYTES = 1 << 30
TEXTS = "texts"  # the key of the metadata that holds them


@dataclass(frozen=True)
class ShownForecasts:
    """Forecasts of a few windows, in the units of the data.

    Attributes:
        title: Of the picture.
        channels: Their names.
        labels: What each window is.
        targets: Numbers of the channels that are scored, (target,).
        start: Time index of each context's first value, (window,).
        context: Values before each forecast, (window, context, channel); nan where one was not observed.
        truth: How they truly go on, (window, horizon, channel); nan where that was not observed.
        one_step: Predictions of the last values of the contexts, (window, time, channel).
        closed_loop: Forecasts of the truth, (window, horizon, channel).
        beside: Forecasts to compare them with, (window, horizon, channel), by name.
        bands: How far intervals reach below and above them, (2, window, horizon, channel), by name.
    """

    title: str
    channels: list[str]
    labels: list[str]
    targets: np.ndarray
    start: np.ndarray
    context: np.ndarray
    truth: np.ndarray
    one_step: np.ndarray
    closed_loop: np.ndarray
    beside: Named
    bands: Named


@dataclass(frozen=True)
class ShownErrors:
    """How errors grow with the steps ahead.

    Attributes:
        title: Of the picture.
        errors: Scaled, at each step, (horizon,), by name: the run's own, the baselines'.
    """

    title: str
    errors: Named


@dataclass(frozen=True)
class ShownCurve:
    """How loss and validation errors went over training.

    Attributes:
        start: What people call that which forecasts with the weights before training.
        kept: The epoch whose weights were kept, 0 being those before training; None: none were.
        main_epochs: Epochs of the main stage; what follows is the refinement.
        epoch: Those recorded, (epoch,).
        evaluations: Of the loss until then, (epoch,).
        seconds: Of training until then, (epoch,).
        curves: Values, (epoch,), nan where one was not finite, by the name of the metric.
    """

    start: str
    kept: int | None
    main_epochs: int
    epoch: np.ndarray
    evaluations: np.ndarray
    seconds: np.ndarray
    curves: Named


Shown = ShownForecasts | ShownErrors | ShownCurve
KINDS = {kind.__name__: kind for kind in (ShownForecasts, ShownErrors, ShownCurve)}


def pack(shown: Shown) -> bytes:
    """Return what is shown in the safetensors format: tensors, and texts as JSON; it runs no code when it is read."""
    texts: dict[str, Any] = {"kind": type(shown).__name__}
    arrays: Named = {}
    for key, value in vars(shown).items():
        if isinstance(value, np.ndarray):
            arrays[key] = np.ascontiguousarray(value)
        elif isinstance(value, dict):
            texts[key] = [*value]  # in their order, which the format does not keep
            arrays |= {f"{key}/{name}": np.ascontiguousarray(array) for name, array in value.items()}
        else:
            texts[key] = value
    return save(arrays, {TEXTS: json.dumps(texts)})


def read_shown(path: Path) -> Shown:
    """Read a file that holds what `pack` gave.

    Raises:
        Refused: If it is something else.
    """
    return unpack(read_small(path, MOST_BYTES))


def unpack(content: bytes) -> Shown:
    """Return what `pack` was given.

    Raises:
        Refused: If the content is something else.
    """
    try:
        arrays = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        texts = json.loads(header["__metadata__"][TEXTS])
        values: dict[str, Any] = {}
        kind = KINDS[texts["kind"]]
        for one in fields(kind):
            if one.type is Named:
                values[one.name] = {name: arrays[f"{one.name}/{name}"] for name in texts[one.name]}
            else:
                values[one.name] = arrays[one.name] if one.type is np.ndarray else texts[one.name]
        return kind(**values)
    except Exception as error:  # of safetensors, which has one of its own
        raise Refused(f"what a picture shows is damaged ({in_short(error)}); run the configuration again") from None
