"""Recurrent networks beside a linear forecast."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wavesweep.models.baseline import Windows
from wavesweep.models.distinct import distinct
from wavesweep.models.forecaster import Forecaster, evaluating, repeated
from wavesweep.models.known_networks import LAST_VALUES, KnownNetworks
from wavesweep.models.losses import SQUARED, Loss, Quantile
from wavesweep.models.recurrent_layers import RecurrentNetwork
from wavesweep.models.start import Start, shares_of
from wavesweep.models.value_networks import ValueNetworks

ByValues = list[tuple[Tensor, Tensor]]
MOST_STEPS = 200  # of all channels, that are predicted for each step of a training window
ROUNDING = 1e-5  # what errors are not below, as a share of the values, where they are more than single precision's
MARGIN = 0.1  # of the range of what trains, beyond which networks of values know nothing
ROWS = 1024  # steps ahead that networks of what is known are trained on at once
KNOWN_SIZE = 2  # units of networks of what is known, for each of the last layer of the others
LEAST_SPREAD = 0.1  # of last values, as a share of the unit of errors: a series may stand still


class HighwayForecaster(Forecaster):
    """A linear forecast, and networks that learn what it leaves.

    It is fitted by least squares and stays as it is. From each step on, it forecasts `horizon` steps; to each of these
    the networks add the mean of their corrections, all at once. A longer forecast feeds these steps back, and goes on
    from there. The networks see the values, and by how much it missed them one step ahead; their corrections begin at
    0, so that training begins at it.

    Args:
        num_channels: Values at each time step.
        hidden_sizes: Units of each layer of a network.
        horizon: Steps that are forecast at once.
        beside: What they stand beside.
        memory: Steps that these networks see before a forecast.
        memories: How many of the last values further networks see, as they are, which forecast by themselves.
        known: How far networks of what is known in advance look back; none: there are none.
        num_features: What is known in advance of each step.
        members: How many networks there are of each kind.
        relative: Whether they see values relative to the mean of the last ones, `memory` or as many as the linear
            forecast looks at, and divided by their spread: levels that the training part has not seen are then nothing
            new.
        loss: What they are trained by.
        options: As `RecurrentNetwork` takes them.

    Attributes:
        path: The linear forecast as a function of the last values, (group, horizon · channel, value + 1); a group is a
            channel, or all of them together.
        shares: Of the linear forecast with the networks' corrections, of the networks of each of the memories, and of
            those of what is known, in the forecast, (part,); the rest is the linear forecast's.
        familiar: The least and the largest value that networks of values, or of what is known, forecast from,
            (2, channel); where one of the last values lies beyond, the linear forecast stands in for them.
        unit: Root mean square of each channel's error one step ahead, by which the networks see them divided,
            (channel,); 1 where that is but rounding.

    Source:
        The linear highway: Lai et al. (2018), LSTNet; a network that learns the residuals of a linear model: Zhang
        (2003); all steps at once against one step fed back: Taieb et al. (2012); means of networks that differ in
        their initial weights: Hansen & Salamon (1990); values relative to the last ones: Kim et al. (2022).
    """

    is_fitted = True
    path: Tensor
    familiar: Tensor
    unit: Tensor
    shares: Tensor

    def __init__(
        self,
        num_channels: int,
        hidden_sizes: Sequence[int],
        *,
        horizon: int,
        beside: Start,
        memory: int,
        memories: Sequence[int] = (),
        known: Sequence[int] = (),
        num_features: int = 0,
        members: int = 1,
        relative: bool = False,
        loss: Loss = SQUARED,
        **options: Any,
    ) -> None:
        super().__init__()
        self.beside, self.horizon = beside, horizon
        self.reach = max((*memories, *known, LAST_VALUES if known else 0), default=0)
        self.lead = max(beside.lead, self.reach)
        self.before, self.memory, self.relative, self.loss = self.lead - 1, memory, relative, loss
        self.spacing = math.ceil(horizon * num_channels / MOST_STEPS)
        size = num_channels if beside.joint else 1
        self.register_buffer("path", torch.zeros(num_channels // size, horizon * size, beside.lead * size + 1))
        self.register_buffer("familiar", torch.zeros(2, num_channels))
        self.register_buffer("unit", torch.ones(num_channels))
        num_outputs = horizon * num_channels * loss.size
        self.members = nn.ModuleList(
            RecurrentNetwork(2 * num_channels, num_outputs, hidden_sizes, **options) for _ in range(members)
        )
        for member in self._networks():
            nn.init.zeros_(member.output.weight)
            nn.init.zeros_(member.output.bias)
        of_values = (ValueNetworks(members, one, num_channels, hidden_sizes, num_outputs) for one in memories)
        self.of_values = nn.ModuleList(of_values)
        self.of_known = None
        if known:
            size = KNOWN_SIZE * hidden_sizes[-1]
            of_step = num_channels * loss.size
            self.of_known = KnownNetworks(members, known, num_channels, num_features, size, of_step, horizon)
        self.register_buffer("shares", torch.tensor([1.0] + [0.0] * (len(memories) + bool(known))))

    def adapt(self, series: Sequence[Tensor]) -> None:
        """See `Forecaster.adapt`: fits the linear forecast, and measures its errors and the range of values."""
        train = [one.double().cpu().numpy() for one in series]
        self.path.copy_(torch.from_numpy(self.beside.path(train, self.horizon)))
        values = torch.cat([*series])
        least, largest = values.amin(dim=0), values.amax(dim=0)
        margin = MARGIN * (largest - least)
        self.familiar.copy_(torch.stack([least - margin, largest + margin]))
        errors = [self._misses(one[None])[0, 1:] for one in series if len(one) > self.lead]
        error, size = (torch.cat([*some]).square().mean(dim=0).sqrt() for some in (errors, series))
        self.unit.copy_(torch.where(error > ROUNDING * size, error, 1.0))

    def inputs(self, values: Tensor) -> Tensor:
        """See `Forecaster.inputs`: from the first step that the linear forecast goes on from, values and its errors."""
        seen = self._relative(values) if self.relative else values[:, self.before :]
        return torch.cat([seen, self._misses(values) / self.unit], dim=2)

    def ahead(self, values: Tensor, inputs: Tensor, start: Tensor, first: int) -> Tensor:
        """See `Forecaster.ahead`."""
        last, skipped = values.shape[1] - self.horizon, first - self.lead
        paths = self._paths(values[:, skipped:last], self.horizon, self.spacing)
        outputs = self._read(inputs[:, : last - self.before])
        corrections = self._corrections(outputs, slice(skipped, None, self.spacing), self.horizon)
        return repeated(paths, self.loss) + corrections

    def one_step(self, values: Tensor, start: Tensor, known: Tensor | None = None) -> Tensor:
        """See `Forecaster.one_step`; the state starts at zero."""
        if values.shape[1] == self.lead:  # there is nothing to predict
            return values[:, self.lead :]
        return self._one_step(values, self._read(self.inputs(values)[:, :-1]), known)

    def closed_loop(self, context: Tensor, start: Tensor, horizon: int, known: Tensor | None = None) -> Tensor:
        """See `Forecaster.closed_loop`: `horizon` of the network's steps at once, and on from these."""
        values, end = context, context.shape[1] + horizon
        while values.shape[1] < end:
            outputs = self._read(self.inputs(values[:, -self.before - self.memory :]))
            values = torch.cat([values, self._next(values, outputs, -1, known)], dim=1)
        return values[:, context.shape[1] : end]

    def quantiles(self, context: Tensor, start: Tensor, known: Tensor | None = None) -> Tensor | None:
        """See `Forecaster.quantiles`."""
        if not isinstance(self.loss, Quantile):
            return None
        outputs = self._read(self.inputs(context[:, -self.before - self.memory :]))
        return self.loss.quantiles(self._outputs_ahead(context, outputs, -1, known))

    def forecast(
        self, values: Tensor, start: Tensor, context: int, horizon: int, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """See `Forecaster.forecast`: what comes after a context is read on from where the closed loop begins to see."""
        if values.shape[1] <= context or horizon > self.horizon:
            return super().forecast(values, start, context, horizon, known)
        seen = values[:, max(context - self.before - self.memory, 0) :]
        outputs = self._read(self.inputs(seen)[:, :-1])
        origin = outputs[0].shape[1] - (values.shape[1] - context)
        beyond = [one[:, origin:] for one in outputs]
        first = context - self.lead
        of_values = self._by_values(values[:, first:-1])
        told = known if known is None else known[:, first:]
        one_step = self._one_step(values[:, first:], beyond, told, of_values)
        at_origin = [(forecasts[:, :1], familiar[:, :1]) for forecasts, familiar in of_values]
        return one_step, self._next(values[:, :context], outputs, origin, known, at_origin)[:, :horizon]

    def _one_step(
        self, values: Tensor, outputs: list[Tensor], known: Tensor | None, of_values: ByValues | None = None
    ) -> Tensor:
        paths = repeated(self._paths(values[:, :-1], 1), self.loss)
        corrections = self._mean_corrections(outputs, slice(None), 1)
        return self.loss.point(self._joined(paths, corrections, values[:, :-1], known, of_values))[:, :, 0]

    def _next(
        self,
        values: Tensor,
        outputs: list[Tensor],
        origin: int,
        known: Tensor | None,
        of_values: ByValues | None = None,
    ) -> Tensor:
        """Return the next `horizon` values, (series, step, channel), by the outputs at their origin."""
        return self.loss.point(self._outputs_ahead(values, outputs, origin, known, of_values))

    def _outputs_ahead(
        self,
        values: Tensor,
        outputs: list[Tensor],
        origin: int,
        known: Tensor | None,
        of_values: ByValues | None = None,
    ) -> Tensor:
        """Return what all parts forecast together of the next `horizon` values, (series, step, output)."""
        paths, corrections = self._at(values, outputs, origin)
        if known is not None:
            first = values.shape[1] - self.lead
            known = known[:, first : values.shape[1] + self.horizon]
        return self._joined(paths, corrections, values[:, -self.lead :], known, of_values)[:, 0]

    def _at(self, values: Tensor, outputs: list[Tensor], origin: int) -> tuple[Tensor, Tensor]:
        """Return the linear forecast and the networks' corrections of it, (series, 1, step, output)."""
        at_origin = [one[:, origin : origin + 1 or None] for one in outputs]
        corrections = self._mean_corrections(at_origin, slice(None), self.horizon)
        return repeated(self._paths(values[:, -self.lead :], self.horizon), self.loss), corrections

    def _joined(
        self, paths: Tensor, corrections: Tensor, values: Tensor, known: Tensor | None, of_values: ByValues | None
    ) -> Tensor:
        """Return what all parts forecast together, by their shares, (series, origin, step, output).

        Args:
            paths: Linear forecasts, (series, origin, step, output).
            corrections: What networks add to them.
            values: From the first `lead` before the first origin on, to the last before the last.
            known: Of these steps, and of those that are forecast.
            of_values: What `_by_values` gives of these origins; None: it is to be computed.
        """
        of_corrected, steps = self.shares[0].item(), paths.shape[2]
        if self.training:  # which refines corrections alone, also where they have no share yet
            return paths + corrections
        joined = paths + of_corrected * corrections
        for share, (outputs, familiar) in zip(self._used(), of_values or self._by_values(values), strict=True):
            joined = joined + share * torch.where(familiar, outputs[:, :, :steps] - paths, 0.0)
        if self.of_known and (share := self.shares[-1].item()):
            outputs = self._mean(self._of_known(self.of_known, values, known, self.lead, steps))
            familiar = self._familiar_at(values, self.of_known.memory)
            joined = joined + share * torch.where(familiar, outputs[:, :, :steps] - paths, 0.0)
        return joined

    def _used(self) -> list[float]:
        """Return the shares of the networks of values that have one."""
        return [share for share in self.shares[1 : 1 + len(self.of_values)].tolist() if share]

    def _by_values(self, values: Tensor) -> ByValues:
        """Return what those networks of values that have a share forecast, from the first `lead` values on.

        Returns:
            Of each, (series, origin, step, output), and at which origins values are familiar, (series, origin, 1, 1).
        """
        found = []
        for share, networks in zip(self.shares[1:].tolist(), self._value_networks(), strict=False):
            if share:
                windows = self._last(values, networks.memory)
                # Windows that begin close to each other hold most of these together.
                different, number = distinct(windows.flatten(0, 1))
                outputs = self._mean(networks(different))[number].view(*windows.shape[:2], self.horizon, -1)
                found.append((outputs, self._familiar_at(values, networks.memory)))
        return found

    def _last(self, values: Tensor, memory: int) -> Tensor:
        """Return the last values before each origin, (series, origin, memory, channel)."""
        return values[:, self.lead - memory :].unfold(1, memory, 1).transpose(2, 3)

    def _familiar_at(self, values: Tensor, memory: int) -> Tensor:
        """Say of which origins the last values are familiar, (series, origin, 1, 1)."""
        return self._are_familiar(self._last(values, memory))[..., None, None]

    def direct(self, context: Tensor, known: Tensor | None = None) -> list[Tensor]:
        """See `Forecaster.direct`."""
        each = [networks(context[:, -networks.memory :]) for networks in self._value_networks()]
        found = [outputs.unflatten(2, (self.horizon, -1)) for outputs in each]
        if self.of_known:
            count = max(1, ROWS // self.horizon) if self.training else len(context)
            some = known if known is None else known[:count]
            outputs = self._of_known(self.of_known, context[:count], some, context.shape[1], self.horizon)
            found.append(outputs[:, :, 0])
        return found

    def _of_known(
        self, networks: KnownNetworks, values: Tensor, known: Tensor | None, first: int, steps: int
    ) -> Tensor:
        """Return what networks forecast by what is known, less its effects, (member, series, origin, step, output).

        Args:
            networks: Which see values with the effects.
            values: Those before the last origin.
            known: Of these steps, and of those that are forecast.
            first: Values before the first origin.
            steps: How many steps ahead.
        """
        if known is None:
            raise ValueError("what is known in advance must be told to networks that see it")
        lacking = values.shape[1] + steps - known.shape[1]  # of a horizon whose end isn't asked for
        known = torch.cat([known, known[:, -1:].expand(-1, max(lacking, 0), -1)], dim=1)
        effects, features = known.split([len(self.unit), known.shape[2] - len(self.unit)], dim=2)
        outputs = networks(values + effects[:, : values.shape[1]], features, first, steps)
        ahead = effects[:, first:].unfold(1, steps, 1).transpose(2, 3)
        return outputs - repeated(ahead[:, : outputs.shape[2]], self.loss)

    def parts(self) -> dict[str, float]:
        """See `Forecaster.parts`: the start, the start corrected by networks, and networks of the last values alone."""
        shares = self.shares.tolist()
        names = ["corrected", *(f"last_{networks.memory}" for networks in self._value_networks())]
        names += ["known"] if self.of_known else []
        start = round(1 - sum(shares), 6)  # they are of single precision
        return {"start": start, **dict(zip(names, shares, strict=True))}

    def direct_parameters(self) -> list[nn.Parameter]:
        """See `Forecaster.direct_parameters`."""
        of_known = self.of_known.parameters() if self.of_known else ()
        return [*self.of_values.parameters(), *of_known]

    def combine(self, val: Windows, known: np.ndarray | None = None) -> None:
        """See `Forecaster.combine`: by errors to the power of -4, without what is no better than the start.

        Networks of what is known join what all others make together, where the mean of both is better than that: they
        err otherwise than what sees values alone, so that those which are no better alone are better beside it.
        """
        context = torch.from_numpy(val.context).to(self.path)
        with evaluating(self):
            outputs = self._read(self.inputs(context[:, -self.before - self.memory :]))
            paths, corrections = (one[:, 0] for one in self._at(context, outputs, -1))
            forecasts = [paths, paths + corrections]
            told = None if known is None else torch.from_numpy(known).to(self.path)
            for networks, outputs in zip(self._direct_networks(), self.direct(context, told), strict=True):
                familiar = self._are_familiar(context[:, -networks.memory :])[..., None, None]
                forecasts.append(torch.where(familiar, self._mean(outputs), paths))
            points = [self.loss.point(one).double().cpu().numpy() for one in forecasts]
        of_values, of_known = (points[:-1], points[-1]) if self.of_known else (points, None)
        start, *errors = [val.error(one) for one in of_values]
        better = [error if error < start else math.inf for error in errors]
        shares = shares_of([start, *better])
        if of_known is not None:
            others = np.sum([share * one for share, one in zip(shares, of_values, strict=True)], axis=0)
            both = [val.error(one) for one in (others, of_known)]
            joins = val.error((others + of_known) / 2) < both[0]
            of_others, own = shares_of(both) if joins else (1.0, 0.0)
            shares = [*(of_others * share for share in shares), own]
        self.shares.copy_(torch.tensor(shares[1:]))

    def _are_familiar(self, windows: Tensor) -> Tensor:
        """Say of which windows, (…, memory, channel), no value is far from all that trained, (…)."""
        least, largest = self.familiar
        return ((windows >= least) & (windows <= largest)).flatten(-2).all(dim=-1)

    def _relative(self, values: Tensor) -> Tensor:
        """Return values from the first `lead` on, relative to the last ones' mean and divided by their spread."""
        count = min(self.memory, self.lead)
        last = values[:, self.lead - count :].unfold(1, count, 1)
        spread = (last.var(dim=3, correction=0) + (LEAST_SPREAD * self.unit).square()).sqrt()
        return (last[..., -1] - last.mean(dim=3)) / spread

    def _misses(self, values: Tensor) -> Tensor:
        """Return the linear forecast's errors one step ahead, from the last of the first `lead` values on, where 0."""
        errors = values[:, self.lead :]
        if errors.shape[1]:
            errors = errors - self._paths(values[:, :-1], 1)[:, :, 0]
        return nn.functional.pad(errors, (0, 0, 1, 0))

    def _paths(self, values: Tensor, steps: int, spacing: int = 1) -> Tensor:
        """Return the linear forecasts from the first `lead` values on, (series, origin, step, channel)."""
        groups, size = len(self.path), len(self.unit) // len(self.path)
        path, values = self.path[:, : steps * size], values[:, self.lead - self.beside.lead :]
        weight = path[..., :-1].unflatten(2, (self.beside.lead, size)).transpose(2, 3).flatten(0, 1)
        bias = path[..., -1].flatten()
        # A convolution does not copy the values that neighbouring origins have in common.
        paths = nn.functional.conv1d(values.transpose(1, 2), weight, bias, stride=spacing, groups=groups)
        return paths.unflatten(1, (groups, steps, size)).permute(0, 4, 2, 1, 3).flatten(3)

    def _read(self, inputs: Tensor) -> list[Tensor]:
        """Return the outputs of each network's layers, (series, origin, hidden); zeros of those that only add 0."""
        networks = [*self._networks()]
        if not self.training and not any(member.output.weight.any() for member in networks):  # as before training
            shape = (*inputs.shape[:2], networks[0].output.weight.shape[1])
            return [inputs.new_zeros(shape) for _ in networks]
        return [member.read(inputs)[0] for member in networks]

    def _corrections(self, outputs: list[Tensor], origins: slice, steps: int) -> Tensor:
        """Return what each network adds to the first steps ahead, (member, series, origin, step, channel)."""
        pairs = zip(self._networks(), outputs, strict=True)
        count = steps * len(self.unit) * self.loss.size
        corrections = [member.predict(one[:, origins], count) for member, one in pairs]
        return torch.stack(corrections).unflatten(3, (steps, -1))

    def _mean_corrections(self, outputs: list[Tensor], origins: slice, steps: int) -> Tensor:
        """Return the mean of what the networks add, (series, origin, step, channel)."""
        return self._mean(self._corrections(outputs, origins, steps))

    def _mean(self, outputs: Tensor) -> Tensor:
        """Return the mean over members, (member, …, output), of which those of a value are in order."""
        return self.loss.in_order(outputs).mean(dim=0)

    def _networks(self) -> Iterator[RecurrentNetwork]:
        return (member for member in self.members if isinstance(member, RecurrentNetwork))

    def _direct_networks(self) -> Iterator[ValueNetworks | KnownNetworks]:
        yield from self._value_networks()
        if self.of_known:
            yield self.of_known

    def _value_networks(self) -> Iterator[ValueNetworks]:
        return (networks for networks in self.of_values if isinstance(networks, ValueNetworks))
