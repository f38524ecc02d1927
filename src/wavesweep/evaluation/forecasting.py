"""One-step and closed-loop forecasts of a network, in the units of the data."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from hydra_queue_sweeper.base import signals
from hydra_queue_sweeper.base.errors import Refused, in_short
from wavesweep.data.dataset import Observed
from wavesweep.data.parts import Part
from wavesweep.data.scaling import Scaler, measured
from wavesweep.models.forecaster import Forecaster, evaluating

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SECONDS_TO_FINISH = 0.5  # the forecasts of a part, after a signal has come
MOST_WINDOWS = 64  # forecast at once: what a network computes for them stays in the processor's cache


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of one part, in the units of the data.

    Attributes:
        one_step: Predictions of the last steps of those that `part.scored` names, (window, time, channel): of all,
            unless the network has too few values before the first.
        closed_loop: Forecasts of `part.truth`, (window, horizon, channel).
    """

    one_step: np.ndarray
    closed_loop: np.ndarray


def forecast_part(network: Forecaster, scaler: Scaler, part: Part) -> Forecasts:
    """Forecast a part, one step ahead and in closed loop, in eval mode.

    Raises:
        Interrupted: If a signal came a while ago.
    """
    one_step, closed_loop = zip(*(_forecast(network, scaler, some) for some in part.chunks(MOST_WINDOWS)), strict=True)
    return Forecasts(np.concatenate(one_step), np.concatenate(closed_loop))


def _forecast(network: Forecaster, scaler: Scaler, part: Part) -> tuple[np.ndarray, np.ndarray]:
    signals.check(SECONDS_TO_FINISH)
    known = told(network, part.known(scaler))
    units, context = scaler.of(part.series).above(part.context), part.context.shape[1]
    scaler = units if part.effect is None else units.without_floor()
    rest = part.without_effects()
    values = np.concatenate([rest.context, rest.truth], axis=1)[:, : part.scored.stop]
    with evaluating(network):
        values, start = to_network(network, scaler.scale(values)), to_network(network, part.start)
        forecasts = network.forecast(values, start, context, part.truth.shape[1], known)
    one_step, closed_loop = (scaler.unscale(some.double().cpu().numpy()) for some in forecasts)
    one_step = one_step[:, -(values.shape[1] - part.scored.start) :]
    if part.effect is not None:
        effect = part.effect[:, part.scored.stop - one_step.shape[1] : part.scored.stop]
        return np.maximum(one_step + effect, units.floor), np.maximum(part.put_back(closed_loop), units.floor)
    return one_step, closed_loop


def network_quantiles(
    network: Forecaster, scaler: Scaler, context: np.ndarray, start: np.ndarray, known: np.ndarray | None = None
) -> np.ndarray | None:
    """Return the quantiles that a network itself gives, (level, window, horizon, channel), in the units of the data.

    Args:
        network: In scaled units.
        scaler: Between those units and the data's.
        context: Observed values, (window, context, channel), in the units of the data.
        start: Time index of each context's first value, (window,).
        known: As `Part.known` gives it; None: nothing.

    Returns:
        As many steps as it predicts at once, by the levels of its loss; None of one that gives none.
    """
    with evaluating(network):
        values = to_network(network, scaler.scale(context))
        found = network.quantiles(values, to_network(network, start), told(network, known))
    if found is None:
        return None
    return scaler.unscale(np.moveaxis(found.double().cpu().numpy(), -1, 0))


def quantiles_of_part(network: Forecaster, scaler: Scaler, part: Part) -> np.ndarray | None:
    """Return the same of all windows of a part."""
    found = []
    for some in part.chunks(MOST_WINDOWS):
        signals.check(SECONDS_TO_FINISH)
        units = scaler.of(some.series).above(some.context)
        context, known = some.without_effects().context, some.known(scaler)
        one = network_quantiles(network, units.without_floor(), context, some.start, known)
        if one is None:
            return None
        found.append(np.maximum(some.put_back(one), units.floor))
    return np.concatenate(found, axis=1)


def closed_loop(
    network: Forecaster,
    scaler: Scaler,
    context: np.ndarray,
    start: np.ndarray,
    horizon: int,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Forecast in closed loop, in eval mode.

    Args:
        network: One-step forecaster, in scaled units.
        scaler: Between those units and the data's.
        context: Observed values, (series, context, channel), in the units of the data.
        start: Time index of each context's first value, (series,).
        horizon: Steps to forecast, at least 1.
        known: As `Part.known` gives it; None: nothing.

    Returns:
        (series, horizon, channel), float64, in the units of the data.

    Raises:
        Refused: If `horizon < 1` or the context is shorter than the network needs.
    """
    if horizon < 1:
        raise Refused(f"horizon must be at least 1, got {horizon}")
    if context.shape[1] < network.lead:
        raise Refused(f"context must have at least {network.lead} time steps, got {context.shape[1]}")
    with evaluating(network):
        values = to_network(network, scaler.scale(context))
        forecast = network.closed_loop(values, to_network(network, start), horizon, told(network, known))
    return scaler.unscale(forecast.double().cpu().numpy())


def closed_loops(
    network: Forecaster,
    scaler: Scaler | None,
    series: Sequence[Observed],
    horizon: int,
    *,
    logs: bool = False,
    known: Sequence[np.ndarray] = (),
) -> list[np.ndarray]:
    """Forecast series of unequal lengths in closed loop, those of one length together.

    Args:
        network: One-step forecaster, in scaled units.
        scaler: Between those units and the data's; None: of each series its own, else what its values give.
        series: What was observed of each.
        horizon: Steps to forecast, at least 1.
        logs: Whether the network sees logarithms.
        known: Of each series, (context + horizon, channel + feature), as `Part.known` gives it; empty: nothing.

    Returns:
        Of each series, (horizon, channel), float64, in the units of the data.

    Raises:
        Refused: As `closed_loop` does.
    """
    of_length, forecasts = defaultdict(list), dict[int, np.ndarray]()
    for number, one in enumerate(series):
        of_length[len(one.values)].append(number)
    for numbers in of_length.values():
        some = [series[number] for number in numbers]
        starts = np.array([one.start for one in some], dtype=np.int64)
        units = scaler or _own([one.scaler or scaler_of(one.values, logs=logs) for one in some])
        contexts = np.stack([one.values for one in some])
        of_each = np.stack([known[number] for number in numbers]) if known else None
        forecasts |= zip(numbers, closed_loop(network, units, contexts, starts, horizon, of_each), strict=True)
    return [forecasts[number] for number in range(len(series))]


def _own(scalers: Sequence[Scaler]) -> Scaler:
    """Return what scales windows, (window, time, channel), each by its own."""
    both = (np.stack([getattr(one, key) for one in scalers])[:, None] for key in ("mean", "std"))
    plain = [one.plain_std for one in scalers if one.plain_std is not None]
    return Scaler(*both, plain_std=np.stack(plain)[:, None] if plain else None)


def scaler_of(values: np.ndarray, *, logs: bool = False) -> Scaler:
    """Return the scaling that a series' own values, (time, channel), or their logarithms give; 1 if they don't vary."""

    def measure(series: Sequence[np.ndarray]) -> Scaler:
        std = series[0].std(axis=0)
        return Scaler(series[0].mean(axis=0), np.where(std > 0, std, 1.0))

    return measured(measure, [values], logs=logs)


@contextmanager
def on_threads(number: int) -> Iterator[None]:
    """Compute on so many threads, on which the last digits of results depend."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def to_network(network: Forecaster, values: np.ndarray) -> torch.Tensor:
    """Return an array as a tensor on the network's device, floating-point values in its precision."""
    weight = next(iter(network.state_dict().values()))
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    return tensor.to(weight.device, weight.dtype if tensor.is_floating_point() else None)


def told(network: Forecaster, known: np.ndarray | None) -> torch.Tensor | None:
    """Return what is known in advance as a tensor, as `to_network` does; None where nothing is."""
    return None if known is None else to_network(network, known)


def as_numbers(values: "ArrayLike") -> np.ndarray:
    """Return real numbers as an array, float64; nan where one is masked.

    Raises:
        Refused: If they are no such numbers: none is taken from text, a time, or a part of a complex number.
    """
    way_out = "give a list or an array of numbers"
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biufO" or (array.dtype.kind == "O" and _holds_text(array)):
            raise Refused(f"values must be real numbers, got {array.dtype.name}; {way_out}")
        if _is_masked(values):
            return np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan)
        with np.errstate(over="ignore"):  # of what is larger than all floats, which is refused as inf
            return np.asarray(values if array.dtype.kind == "O" else array, dtype=np.float64)
    except Refused:
        raise
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # the last by torch
        got = f"{type(values).__name__} ({in_short(error):.120})"
        raise Refused(f"values must be real numbers, got {got}; {way_out}") from None


def _holds_text(array: np.ndarray) -> bool:
    return any(isinstance(one, str | bytes) for one in array.flat)


def _is_masked(values: object) -> bool:
    """Say whether values, or some of a list, have a mask, which `np.asarray` forgets."""
    if isinstance(values, list | tuple):
        return any(map(_is_masked, values))
    return isinstance(values, np.ma.MaskedArray)


def as_series(values: "ArrayLike", channels: tuple[str, ...]) -> np.ndarray:
    """Return observed values as (series, time, channel), float64; nan where one is masked.

    Args:
        values: That, or (series, time) or (time,) of a single channel.
        channels: Their names.

    Raises:
        Refused: If they are no such array.
    """
    array = as_numbers(values)
    given = array.shape
    if array.ndim in (1, 2) and len(channels) == 1:
        array = np.atleast_2d(array)[..., np.newaxis]
    if array.ndim != 3 or array.shape[2] != len(channels) or not len(array):
        alone = ", (series, time) or (time,)" if len(channels) == 1 else f" with channels {', '.join(channels)}"
        raise Refused(f"values must be (series, time, channel){alone}, got the shape {given}")
    if array.shape[1] == 1 < len(array):
        raise Refused(f"values are {len(array)} series of a single step; of one series, give values.ravel()")
    return array
