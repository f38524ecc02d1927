"""Linear autoregression as it is configured."""

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.base.schema import Ascending
from wavesweep.models.baseline_names import BASELINES
from wavesweep.models.configured import Model, ResolvedModel, SettledModel, Size

if TYPE_CHECKING:
    from wavesweep.models.autoregression import Lags
    from wavesweep.models.facts import Facts
    from wavesweep.models.forecaster import Forecaster
    from wavesweep.models.losses import Loss


class Autoregressive(Model):
    """A model with a linear autoregression.

    Attributes:
        lags: The past values that it looks at; null, or none: chosen.
        centred: Whether relative to the last value; null: chosen with the lags.
        joint: Whether at the past of all channels for each; null: chosen with the lags.
    """

    lags: Ascending | None
    centred: bool | None
    joint: bool | None

    def choose(self, facts: "Facts") -> "Lags":
        """Return what it looks at, by the closed-loop error on validation; but what is given."""
        from wavesweep.models.autoregression import choose_lags

        chosen = choose_lags(facts.train, facts.val, facts.seasons)
        given = {"centred": self.centred, "joint": self.joint}
        return replace(chosen, **{key: value for key, value in given.items() if value is not None})


def check_reach(key: str, longest: int, steps: int, context: int) -> None:
    """Refuse a lag that series or contexts are too short for."""
    if longest >= steps:
        raise Refused(f"model.{key} must be less than the {steps} training steps, got {longest}")
    if longest > context:
        raise Refused(f"model.{key} must be at most forecast.context = {context}, got {longest}")


class Linear(Autoregressive, SettledModel):
    """Linear autoregression, fitted by least squares.

    Attributes:
        order: The longest lag; null: that of `lags`, and where these are null too, all is chosen.
        lags: Null, or others than end at `order`: all from 1 to `order`.
        centred: Null: no, if it is not chosen.
        joint: Null: yes, if it is not chosen.
    """

    kind: Literal["linear"]
    order: Size | None

    has_gradient: ClassVar[bool] = False

    def settle(self, *, leaves_room: bool) -> SettledModel:
        """See `Model.settle`."""
        return self

    def check(self, num_series: int, steps: int, window: int, context: int) -> None:
        """See `SettledModel.check`."""
        lags = self._given_lags()
        if lags:
            check_reach("order", lags[-1], steps, context)

    def resolve(self, facts: "Facts") -> ResolvedModel:
        """See `SettledModel.resolve`: what it looks at is chosen by the closed-loop error on validation."""
        lags, centred, joint = self._given_lags(), bool(self.centred), self.joint is not False
        if not lags:
            chosen = self.choose(facts)
            lags, centred, joint = chosen.lags, chosen.centred, chosen.joint
        return ResolvedLinear(kind=self.kind, order=lags[-1], lags=lags, centred=centred, joint=joint)

    def _given_lags(self) -> tuple[int, ...] | None:
        """Return the lags that were given, one by one or by their order; None: none were."""
        if self.lags and self.order in (None, self.lags[-1]):
            return self.lags
        return tuple(range(1, self.order + 1)) if self.order else None


class ResolvedLinear(Linear, ResolvedModel):
    """The same, with nothing left open."""

    order: Size
    lags: Ascending
    centred: bool
    joint: bool

    def forecasts_by(self, epoch: int) -> str:
        """See `ResolvedModel.forecasts_by`: what the baseline of the kind is called."""
        name = BASELINES["linear"]
        return name if epoch else f"untrained {name}"

    def is_linear(self, epoch: int) -> bool:
        """See `ResolvedModel.is_linear`: once it is fitted."""
        return epoch > 0

    def build(self, num_channels: int, horizon: int, dtype: str, loss: "Loss", num_features: int = 0) -> "Forecaster":
        """See `ResolvedModel.build`; it is not fitted yet, and works in double precision whatever the `dtype`."""
        from wavesweep.models.autoregression import Lags
        from wavesweep.models.linear_network import LinearForecaster

        return LinearForecaster(num_channels, Lags(self.lags, self.centred, self.joint))
