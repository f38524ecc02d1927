"""Recurrent models as they are configured, alone or beside a highway."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.base.schema import Ascending, ConfigPart, NonNegative
from wavesweep.models.baseline_names import BASELINES
from wavesweep.models.configured import Model, ResolvedModel, SettledModel, Size
from wavesweep.models.linear import Autoregressive, check_reach

if TYPE_CHECKING:
    from wavesweep.models.autoregression import Lags
    from wavesweep.models.facts import Facts
    from wavesweep.models.forecaster import Forecaster
    from wavesweep.models.losses import Loss
    from wavesweep.models.ridge import Ridge
    from wavesweep.models.smoothing import Smoothing
    from wavesweep.models.start import Start

MEMBERS, MEMORY, DROPOUT = 4, 32, 0.2  # beside a highway
MEMORIES = (2, 8, 24)  # the same
FEWEST_VALUES = 2  # that networks of what is known see: LAST_VALUES there, which imports torch
ROOM = 3  # spans of memory and horizon that a training series holds at least, where that memory is not given
MOST_OUTPUTS = 1000  # values that are forecast at once, beyond which no memory is taken unless it is given
WITHOUT_LAGS = {"lags": (), "centred": False, "joint": False}
WITHOUT_RIDGE = {"order": 1, "centred": False, "penalty": 0.0, "share": 0.0}
WITHOUT_SMOOTHING = {
    "level": 0.0, "slope": 0.0, "trend": 0.0, "damping": 1.0, "seasonal": 0.0, "season": 1, "span": 1, "share": 0.0
}  # fmt: skip
NO_START = {**WITHOUT_LAGS, "ridge": WITHOUT_RIDGE, "smoothing": WITHOUT_SMOOTHING}
ROUNDING = 1e-9  # by which shares may add up to more than 1
LAYERS = {"hidden_sizes", "head_size", "normalization", "initialization"}
DRIFT = 0.5  # share of the variance, from which on a line says more of a series than all else does


Share = Annotated[float, Field(ge=0, le=1)]


class Regression(ConfigPart):
    """Ridge regression from the last values straight to all steps ahead.

    Attributes:
        order: How many of the last values it looks at.
        centred: Whether relative to the last of them.
        penalty: Of squared weights, in units of the mean variance of what it looks at.
        share: Of its forecast in the start; 0 leaves it out, 1 leaves the autoregression out.
    """

    order: Size
    centred: bool
    penalty: NonNegative
    share: Share


class ExponentialSmoothing(ConfigPart):
    """Exponential smoothing of the last values, as `Smoothing` describes it.

    Attributes:
        share: Of its forecast in the start; 0 leaves it out, 1 leaves the others out.
    """

    level: Share
    slope: Share
    trend: Share
    damping: Share
    seasonal: Share
    season: Size
    span: Size
    share: Share


class Recurrent(Autoregressive):
    """Recurrent layers, of equal or unequal sizes, with a linear output.

    Attributes:
        kind: Name of the layer in torch.nn, in small letters.
        highway: Whether they learn what a linear forecast leaves, and several steps at once; null: of series that end
            and are divided by time, with room for it: of a generated wave, it would hide what the network has learnt.
        start: Which linear forecast that is: autoregression, ridge regression, exponential smoothing, all of them,
            combined by their errors on validation, or the best of them there.
        ridge: What the regression looks at; null: chosen, and left out where smoothing is given.
        smoothing: How the last values are smoothed; null: chosen, and left out where a regression is given.
        members: Networks whose mean is the forecast; null: 4 beside a highway.
        memory: Steps that they see before a forecast, beside a highway; null: 32.
        memories: How many of the last values further networks see, as they are, which forecast by themselves; null:
            2, 8 and 24, as far as series are long enough.
        known: How many steps networks that see what is known in advance look back; null: as many as seasons have, or
            one, where something is known.
        relative: Whether they see values relative to the mean and the spread of the last ones; null: yes.
        dropout: Null: 0.2 beside a highway, else 0.
        difference: Whether differences are taken and predicted; null: where series drift.

    Source:
        LSTM: Hochreiter & Schmidhuber (1997).
    """

    kind: Literal["lstm"]
    hidden_sizes: Annotated[tuple[Size, ...], Field(strict=False, min_length=1, max_length=100)]
    head_size: Annotated[int, Field(ge=0, le=65536)]
    dropout: Annotated[float, Field(ge=0, lt=1)] | None
    normalization: Literal["none", "batch", "layer"]
    difference: bool | None
    output: Literal["value", "increment"]
    initialization: Literal["orthogonal", "uniform"]
    highway: bool | None
    start: Literal["combined", "best", "autoregression", "ridge", "smoothing"]
    ridge: Regression | None
    smoothing: ExponentialSmoothing | None
    members: Annotated[int, Field(ge=1, le=64)] | None
    memory: Size | None
    relative: bool | None
    memories: Ascending | None
    known: Ascending | None

    def settle(self, *, leaves_room: bool) -> SettledModel:
        """See `Model.settle`."""
        next_value = not self.difference and self.output == "value"
        highway = (leaves_room and next_value) if self.highway is None else self.highway
        if highway and not next_value:
            got = "model.difference=true" if self.difference else f"model.output={self.output}"
            raise Refused(
                "model.highway=true must stand with model.difference=false and model.output=value, "
                f"got {got}; leave one of them out"
            )
        if not highway and (self.members or 1) > 1:
            raise Refused(f"model.members must be 1 without a highway, got {self.members}; give model.highway=true too")
        if highway:
            beside = {"difference": False}
            usual = {"members": MEMBERS, "memory": MEMORY, "relative": True, "dropout": DROPOUT}
        else:
            beside = {**NO_START, "memories": (), "known": ()}
            usual = {"members": 1, "memory": MEMORY, "relative": False, "dropout": 0.0}
        given = {key: value for key, value in self.model_dump().items() if value is not None}
        return SettledRecurrent.model_validate(self.model_dump() | usual | given | beside | {"highway": highway})


class SettledRecurrent(Recurrent, SettledModel):
    """The same, once it is known whether there is a highway."""

    highway: bool
    members: Annotated[int, Field(ge=1, le=64)]
    memory: Size
    relative: bool
    dropout: Annotated[float, Field(ge=0, lt=1)]

    @property
    def has_highway(self) -> bool:
        """See `SettledModel.has_highway`."""
        return self.highway

    @property
    def window(self) -> int:
        """See `SettledModel.window`: beside a highway, twice what a forecast sees."""
        return 2 * self.memory if self.highway else super().window

    def check(self, num_series: int, steps: int, window: int, context: int) -> None:
        """See `SettledModel.check`."""
        if self.highway and self.lags:
            check_reach("lags", self.lags[-1], steps, context)
        if self.highway and self.ridge and self.ridge.share:
            check_reach("ridge.order", self.ridge.order, steps, context)
        if self.highway and self.smoothing and self.smoothing.share:
            check_reach("smoothing.span", self.smoothing.span, steps, context)
            self._check_smoothing(self.smoothing)
        if self.highway and self.memories:
            check_reach("memories", self.memories[-1], steps, context)
        if self.highway and self.known:
            check_reach("known", self.known[-1], steps, context)
        if self.normalization == "batch" and window < 3:
            raise Refused("training.window must be at least 3 with model.normalization=batch, got 2")
        if self.difference and window < 3:
            raise Refused("training.window must be at least 3 with model.difference=true, got 2")
        if self.difference and context < 2:
            raise Refused("forecast.context must be at least 2 with model.difference=true, got 1")

    def resolve(self, facts: "Facts") -> ResolvedModel:
        """See `SettledModel.resolve`: chooses what a highway looks at, or whether differences are taken."""
        if self.highway:
            start = self._choose_start(facts)
            decided = {**NO_START}
            if start.lags:
                decided |= vars(start.lags)
            if start.ridge:
                decided["ridge"] = {**vars(start.ridge), "share": start.shares[0]}
            if start.smoothing:
                decided["smoothing"] = {**vars(start.smoothing), "share": start.shares[1]}
            decided["memories"] = self._choose_memories(facts)
            decided["known"] = self._choose_known(facts)
        elif self.difference is None:
            # Windows are long enough to tell whether series drift, and to have two differences.
            can_tell = facts.window > 3 and facts.val.context.shape[1] > 1
            decided = {"difference": can_tell and facts.trend_share > DRIFT}
        else:
            decided = {}
        return ResolvedRecurrent.model_validate(self.model_dump() | decided)

    def _choose_start(self, facts: "Facts") -> "Start":
        """Return the linear forecast that networks stand beside; refuse one that leaves them nothing to train on."""
        start = self._linear(facts)
        steps, horizon = max(map(len, facts.train)), facts.val.truth.shape[1]
        longest = max((start.lead, *self._choose_memories(facts), *self._choose_known(facts)))
        most = steps - longest - max(facts.washout - 1, 0)
        if most < horizon:
            raise Refused(
                f"forecast.horizon must be at most {most} with model.highway=true, got {horizon}: of the {steps} "
                f"training steps, {longest} are lags and {facts.washout} washout; give less, or model.highway=false"
            )
        return start

    def _choose_memories(self, facts: "Facts") -> tuple[int, ...]:
        """Return those that are given, or those of the usual ones that series and contexts are long enough for."""
        if self.memories is not None:
            return self.memories
        horizon, num_channels = facts.val.truth.shape[1:]
        if horizon * num_channels > MOST_OUTPUTS:
            return ()
        return tuple(memory for memory in MEMORIES if memory <= _longest(facts))

    def _choose_known(self, facts: "Facts") -> tuple[int, ...]:
        """Return what is given, or the seasons that series are long enough for, else one step; nothing of nothing."""
        if not facts.num_features or _longest(facts) < FEWEST_VALUES:
            return ()
        if self.known is not None:
            return self.known
        return tuple(season for season in facts.seasons if season <= _longest(facts)) or (1,)

    def _linear(self, facts: "Facts") -> "Start":
        from wavesweep.models.start import Start, choose_start

        if self.start == "autoregression":
            return Start(self._look_at(facts))
        if self.start == "ridge":
            return Start(None, self._regression or self._choose_regression(facts), shares=(1.0, 0.0))
        if self.start == "smoothing":
            return Start(None, smoothing=self._smoothing or self._choose_smoothing(facts), shares=(0.0, 1.0))
        if self.ridge is None and self.smoothing is None:
            best = self.start == "best"
            return choose_start(facts.train, facts.val, facts.seasons, self._look_at(facts), best=best)
        lags = self._look_at(facts) if 1 - sum(self._shares) > ROUNDING else None
        return Start.mixed(lags, self._regression, self._smoothing, self._shares)

    def _choose_regression(self, facts: "Facts") -> "Ridge":
        from wavesweep.models.ridge import ORDERS, choose_ridge, fewest_steps

        ridge = choose_ridge(facts.train, facts.val, facts.seasons)
        if ridge is None:
            rule = f"{fewest_steps(facts.val.truth.shape[1])} training steps and a context of {ORDERS[0]}"
            got = f"{max(map(len, facts.train))} and {facts.val.context.shape[1]}"
            raise Refused(f"model.start=ridge takes {rule}, got {got}; give model.start=autoregression")
        return ridge

    def _choose_smoothing(self, facts: "Facts") -> "Smoothing":
        from wavesweep.models.smoothing import choose_smoothing

        return choose_smoothing(facts.train, facts.val, facts.seasons)

    @property
    def _regression(self) -> "Ridge | None":
        from wavesweep.models.ridge import Ridge

        return Ridge(**self.ridge.model_dump(exclude={"share"})) if self.ridge else None

    @property
    def _smoothing(self) -> "Smoothing | None":
        from wavesweep.models.smoothing import Smoothing

        return Smoothing(**self.smoothing.model_dump(exclude={"share"})) if self.smoothing else None

    @property
    def _shares(self) -> tuple[float, float]:
        """Of regression and smoothing in the start; the rest is the autoregression's."""
        return self.ridge.share if self.ridge else 0.0, self.smoothing.share if self.smoothing else 0.0

    def _check_smoothing(self, smoothing: ExponentialSmoothing) -> None:
        if smoothing.span < smoothing.season:
            got = f"model.smoothing.season={smoothing.season}, got {smoothing.span}"
            raise Refused(f"model.smoothing.span must be at least {got}")
        if sum(self._shares) > 1 + ROUNDING:
            got = f"{self._shares[0]:g} + {self._shares[1]:g}"
            raise Refused(f"model.ridge.share and model.smoothing.share must add up to 1 at most, got {got}; lower one")

    def _look_at(self, facts: "Facts") -> "Lags":
        """Return what the autoregression looks at: a channel's own past, where lags are given and nothing else is."""
        from wavesweep.models.autoregression import Lags

        return Lags(self.lags, bool(self.centred), bool(self.joint)) if self.lags else self.choose(facts)


class ResolvedRecurrent(SettledRecurrent, ResolvedModel):
    """The same, with nothing left open."""

    lags: Ascending
    centred: bool
    joint: bool
    ridge: Regression
    smoothing: ExponentialSmoothing
    difference: bool
    memories: Ascending
    known: Ascending

    def forecasts_by(self, epoch: int) -> str:
        """See `ResolvedModel.forecasts_by`: before training, networks beside a highway add nothing to it."""
        if not self.highway or epoch:
            return super().forecasts_by(epoch)
        return BASELINES[self._start.name]

    def is_linear(self, epoch: int) -> bool:
        """See `ResolvedModel.is_linear`: before training, beside a highway."""
        return self.highway and not epoch

    def without_effect(self) -> dict[str, str]:
        """See `ResolvedModel.without_effect`."""
        if not self.highway:
            beside = ("start", *NO_START, "memory", "relative", "memories", "known")
            return {f"model.{key}": "model.highway=false" for key in beside}
        alone = {"autoregression": ("ridge", "smoothing"), "ridge": ("smoothing",), "smoothing": ("ridge",)}
        reasons = {f"model.{key}": f"model.start={self.start}" for key in alone.get(self.start, ())}
        if not self.lags:
            reason = f"model.start={self.start}" if self.start in alone else "the others make up the start"
            reasons |= {f"model.{key}": reason for key in WITHOUT_LAGS}
        return reasons

    def explain(self, written: Model, facts: "Facts") -> str:
        """See `ResolvedModel.explain`: what the networks stand beside, or whether differences are taken, and why."""
        if self.model_dump() == written.model_dump():
            return ""
        if self.highway:
            own = [f"of the last {_listed(self.memories)} values"] if self.memories else []
            own += ["of what is known in advance"] if self.known else []
            if not own:
                networks = "a network learns" if self.members == 1 else f"{self.members} networks learn"
                return f"{networks} what {self._start} leaves"
            others = "one that learns" if self.members == 1 else f"{self.members} that learn"
            return f"networks {', '.join(own)}, and {others} what {self._start} leaves"
        taken = "" if self.difference else "no "
        reason = f"lines explain {facts.trend_share:.0%} of the training series"
        if not self.difference and facts.trend_share > DRIFT:
            reason = "windows or context are too short"
        return f"the network takes {taken}differences: {reason}"

    @property
    def _start(self) -> "Start":
        from wavesweep.models.autoregression import Lags
        from wavesweep.models.start import Start

        lags = Lags(self.lags, self.centred, self.joint) if self.lags else None
        return Start.mixed(lags, self._regression, self._smoothing, self._shares)

    def build(self, num_channels: int, horizon: int, dtype: str, loss: "Loss", num_features: int = 0) -> "Forecaster":
        """See `ResolvedModel.build`."""
        import torch

        options = {"layer": self.kind.upper(), "dropout": self.dropout, "loss": loss, **self.model_dump(include=LAYERS)}
        if self.highway:
            from wavesweep.models.highway_network import HighwayForecaster

            network: Forecaster = HighwayForecaster(
                num_channels,
                horizon=horizon,
                beside=self._start,
                memory=self.memory,
                memories=self.memories,
                known=self.known,
                num_features=num_features,
                members=self.members,
                relative=self.relative,
                **options,
            )
        else:
            from wavesweep.models.recurrent_network import RecurrentForecaster

            network = RecurrentForecaster(num_channels, difference=self.difference, output=self.output, **options)
        return network.to(getattr(torch, dtype))


def _longest(facts: "Facts") -> int:
    """Return how many of the last values a network may see that forecasts from them alone."""
    longest = max(map(len, facts.train)) // ROOM - facts.val.truth.shape[1]
    return min(facts.val.context.shape[1], longest)


def _listed(numbers: tuple[int, ...]) -> str:
    """Return numbers as people list them."""
    return " and ".join(filter(None, [", ".join(map(str, numbers[:-1])), str(numbers[-1])]))
