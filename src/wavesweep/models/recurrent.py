"""Recurrent models as they are configured, alone or beside a highway."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field

from wavesweep.base.errors import Refused
from wavesweep.base.schema import known
from wavesweep.models.configured import Autoregressive, Size

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from wavesweep.baselines.autoregression import Lags
    from wavesweep.baselines.baseline import Windows
    from wavesweep.networks.forecaster import Forecaster

LAYERS = {"hidden_sizes", "head_size", "dropout", "normalization", "initialization"}


class Recurrent(Autoregressive):
    """Recurrent layers, of equal or unequal sizes, with a linear output.

    Attributes:
        highway: Whether they learn what a linear autoregression leaves, and several steps at once; null: of series that
            end and are split by time, with room for it: of a generated wave, it would hide what the network has learnt.
        members: Networks whose mean is the forecast; null: 4 beside a highway.
        memory: Steps that they see before a forecast, beside a highway; null: 32.
        relative: Whether they see values relative to the mean and the spread of the last ones; null: yes.
        dropout: Null: 0.2 beside a highway, else 0.
        layer: Name of the layer in torch.nn.
    """

    hidden_sizes: Annotated[tuple[Size, ...], Field(strict=False, min_length=1, max_length=100)]
    head_size: Annotated[int, Field(ge=0, le=65536)]
    dropout: Annotated[float, Field(ge=0, lt=1)] | None
    normalization: Literal["none", "batch", "layer"]
    difference: bool | None
    output: Literal["value", "increment"]
    initialization: Literal["orthogonal", "uniform"]
    # What older versions did not store.
    highway: bool | None = False
    members: Annotated[int, Field(ge=1, le=64)] | None = 1
    memory: Size | None = None
    relative: bool | None = False

    layer: ClassVar[Literal["LSTM", "GRU"]]

    @property
    def has_highway(self) -> bool:
        """See `Model.has_highway`."""
        return bool(self.highway)

    @property
    def beside(self) -> str:
        """What the networks stand beside, in words."""
        networks = "a network learns" if self.members == 1 else f"{self.members} networks learn"
        return f"{networks} what linear autoregression leaves: {self._looks_at()}"

    @property
    def window(self) -> int:
        """See `Model.window`: beside a highway, twice what a forecast sees."""
        return 2 * known(self.memory) if self.highway else super().window

    def settled(self, *, leaves_room: bool) -> Self:
        """See `Model.settled`."""
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
            super().settled(leaves_room=leaves_room)
        derived = {"highway": highway, "members": self.members or (4 if highway else 1), "memory": self.memory or 32}
        derived["relative"] = highway if self.relative is None else self.relative
        derived["dropout"] = (0.2 if highway else 0.0) if self.dropout is None else self.dropout
        derived |= {"difference": False} if highway else {"lags": (), "centred": False, "joint": False}
        return self.model_copy(update=derived)

    def without_effect(self) -> dict[str, str]:
        """See `Model.without_effect`."""
        beside = () if self.highway else ("lags", "centred", "joint", "memory", "relative")
        return {f"model.{key}": "model.highway=false" for key in beside}

    def check(self, num_series: int, steps: int, window: int, context: int) -> None:
        """See `Model.check`."""
        if self.highway and self.lags:
            self._check_reach("lags", self.lags[-1], steps, context)
        if self.normalization == "batch" and window < 3:
            raise Refused("training.window must be at least 3 with model.normalization=batch, got 2")
        if self.difference and window < 3:
            raise Refused("training.window must be at least 3 with model.difference=true, got 2")
        if self.difference and context < 2:
            raise Refused("forecast.context must be at least 2 with model.difference=true, got 1")

    def adapted(
        self, train: "Sequence[np.ndarray]", val: "Windows", seasons: tuple[int, ...], window: int, washout: int
    ) -> Self:
        """See `Model.adapted`: chooses what a highway looks at, or whether it takes differences.

        It does where series drift: from half of the variance on, a line says more of the series than all else does.
        Where windows are too short to tell, or to have two differences, there are none.
        """
        if self.highway:
            looks_at = self._looks_at() if self.lags else self._choose(train, val, seasons)
            steps, horizon = max(map(len, train)), val.truth.shape[1]
            if (most := steps - looks_at.lags[-1] - max(washout - 1, 0)) < horizon:
                raise Refused(
                    f"forecast.horizon must be at most {most} with model.highway=true, got {horizon}: of the {steps} "
                    f"training steps, {looks_at.lags[-1]} are lags and {washout} washout; give less, or "
                    "model.highway=false"
                )
            return self.model_copy(update=vars(looks_at))
        if self.difference is not None:
            return self
        from wavesweep.data.trends import trend_share

        drifts = window > 3 and val.context.shape[1] > 1 and trend_share(train) > 0.5
        return self.model_copy(update={"difference": drifts})

    def _looks_at(self) -> "Lags":
        """See `Autoregressive._looks_at`: at a channel's own past, where lags are given and nothing else is."""
        return replace(super()._looks_at(), joint=bool(self.joint))

    def build(self, num_channels: int, horizon: int, dtype: str) -> "Forecaster":
        """See `Model.build`."""
        import torch

        options = {"layer": self.layer, **self.model_dump(include=LAYERS)}
        if self.highway:
            from wavesweep.networks.highway import HighwayForecaster

            beside = {"horizon": horizon, "lags": self._looks_at(), "memory": known(self.memory)}
            beside |= {"members": known(self.members), "relative": bool(self.relative)}
            network: Forecaster = HighwayForecaster(num_channels, **beside, **options)
        else:
            from wavesweep.networks.recurrent import RecurrentForecaster

            network = RecurrentForecaster(num_channels, difference=bool(self.difference), output=self.output, **options)
        return network.to(getattr(torch, dtype))


class LSTM(Recurrent):
    """Long short-term memory, Hochreiter & Schmidhuber (1997)."""

    kind: Literal["lstm"]

    layer: ClassVar[Literal["LSTM", "GRU"]] = "LSTM"
