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
    from wavesweep.models.start import Start

MEMBERS, MEMORY, DROPOUT = 4, 32, 0.2  # beside a highway
MEMORIES = (2, 8, 24)  # the same
ROOM = 3  # spans of memory and horizon that a training series holds at least, where that memory is not given
MOST_OUTPUTS = 1000  # values that are forecast at once, beyond which no memory is taken unless it is given
WITHOUT_LAGS = {"lags": (), "centred": False, "joint": False}
WITHOUT_RIDGE = {"order": 1, "centred": False, "penalty": 0.0, "share": 0.0}
LAYERS = {"hidden_sizes", "head_size", "normalization", "initialization"}
DRIFT = 0.5  # share of the variance, from which on a line says more of a series than all else does


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
    share: Annotated[float, Field(ge=0, le=1)]

    def beside(self, lags: "Lags | None") -> "Start":
        """Return what it and an autoregression forecast together; None: there is none."""
        from wavesweep.models.ridge import Ridge
        from wavesweep.models.start import Start

        return Start.mixed(lags, Ridge(self.order, self.centred, self.penalty), self.share)


class Recurrent(Autoregressive):
    """Recurrent layers, of equal or unequal sizes, with a linear output.

    Attributes:
        kind: Name of the layer in torch.nn, in small letters.
        highway: Whether they learn what a linear forecast leaves, and several steps at once; null: of series that end
            and are divided by time, with room for it: of a generated wave, it would hide what the network has learnt.
        start: Which linear forecast that is: autoregression, ridge regression, or both, combined by their errors on
            validation.
        ridge: What the regression looks at; null: chosen.
        members: Networks whose mean is the forecast; null: 4 beside a highway.
        memory: Steps that they see before a forecast, beside a highway; null: 32.
        memories: How many of the last values further networks see, as they are, which forecast by themselves; null:
            2, 8 and 24, as far as series are long enough.
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
    start: Literal["combined", "autoregression", "ridge"]
    ridge: Regression | None
    members: Annotated[int, Field(ge=1, le=64)] | None
    memory: Size | None
    relative: bool | None
    memories: Ascending | None

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
            beside = {**WITHOUT_LAGS, "ridge": WITHOUT_RIDGE, "memories": ()}
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
        if self.highway and self.memories:
            check_reach("memories", self.memories[-1], steps, context)
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
            decided = {**WITHOUT_LAGS, "ridge": WITHOUT_RIDGE}
            if start.lags:
                decided |= vars(start.lags)
            if start.ridge:
                decided["ridge"] = {**vars(start.ridge), "share": start.share}
            decided["memories"] = self._choose_memories(facts)
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
        longest = max((start.lead, *self._choose_memories(facts)))
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
        longest = min(facts.val.context.shape[1], max(map(len, facts.train)) // ROOM - horizon)
        return tuple(memory for memory in MEMORIES if memory <= longest)

    def _linear(self, facts: "Facts") -> "Start":
        from wavesweep.models.start import Start, choose_start

        if self.start == "autoregression":
            return Start(self._look_at(facts))
        if self.ridge is None:
            lags = None if self.start == "ridge" else self._look_at(facts)
            return choose_start(facts.train, facts.val, facts.seasons, lags)
        share = 1.0 if self.start == "ridge" else self.ridge.share
        regression = self.ridge.model_copy(update={"share": share})
        return regression.beside(self._look_at(facts) if share < 1 else None)

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
    difference: bool
    memories: Ascending

    def forecasts_by(self, epoch: int) -> str:
        """See `ResolvedModel.forecasts_by`: before training, networks beside a highway add nothing to it."""
        if not self.highway or epoch:
            return super().forecasts_by(epoch)
        if not self.ridge.share:
            return BASELINES["linear"]
        return BASELINES["ridge" if self.ridge.share == 1 else "combined"]

    def is_linear(self, epoch: int) -> bool:
        """See `ResolvedModel.is_linear`: before training, beside a highway."""
        return self.highway and not epoch

    def without_effect(self) -> dict[str, str]:
        """See `ResolvedModel.without_effect`."""
        if self.highway and self.start == "autoregression":
            return {"model.ridge": "model.start=autoregression"}
        if self.highway and self.ridge.share == 1:
            reason = "model.start=ridge" if self.start == "ridge" else "model.ridge.share=1"
            return {f"model.{key}": reason for key in WITHOUT_LAGS}
        if self.highway:
            return {}
        beside = ("start", "ridge", "lags", "centred", "joint", "memory", "relative", "memories")
        return {f"model.{key}": "model.highway=false" for key in beside}

    def explain(self, written: Model, facts: "Facts") -> str:
        """See `ResolvedModel.explain`: what the networks stand beside, or whether differences are taken, and why."""
        if self.model_dump() == written.model_dump():
            return ""
        if self.highway:
            if not self.memories:
                networks = "a network learns" if self.members == 1 else f"{self.members} networks learn"
                return f"{networks} what {self._start} leaves"
            others = "one that learns" if self.members == 1 else f"{self.members} that learn"
            return f"networks of the last {_listed(self.memories)} values, and {others} what {self._start} leaves"
        taken = "" if self.difference else "no "
        reason = f"lines explain {facts.trend_share:.0%} of the training series"
        if not self.difference and facts.trend_share > DRIFT:
            reason = "windows or context are too short"
        return f"the network takes {taken}differences: {reason}"

    @property
    def _start(self) -> "Start":
        from wavesweep.models.autoregression import Lags

        return self.ridge.beside(Lags(self.lags, self.centred, self.joint) if self.lags else None)

    def build(self, num_channels: int, horizon: int, dtype: str, loss: "Loss") -> "Forecaster":
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
                members=self.members,
                relative=self.relative,
                **options,
            )
        else:
            from wavesweep.models.recurrent_network import RecurrentForecaster

            network = RecurrentForecaster(num_channels, difference=self.difference, output=self.output, **options)
        return network.to(getattr(torch, dtype))


def _listed(numbers: tuple[int, ...]) -> str:
    """Return numbers as people list them."""
    return " and ".join(filter(None, [", ".join(map(str, numbers[:-1])), str(numbers[-1])]))
