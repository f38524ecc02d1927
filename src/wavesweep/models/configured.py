"""Models as they are configured, and as they run; what they are built of is imported then.

A new kind says here what it can do, and is found by its `kind`: nothing else lists it but its file in conf/model.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from wavesweep.base.schema import Member

if TYPE_CHECKING:
    from wavesweep.models.facts import Facts
    from wavesweep.models.forecaster import Forecaster
    from wavesweep.models.losses import Loss

Size = Annotated[int, Field(ge=1, le=65536)]


class Model(Member):
    """A model, as it is written: what is `null` is decided in two steps, by shapes and then by data.

    Attributes:
        sees_past: Whether its predictions depend on past values.
        feeds_back: Whether its closed loop feeds predictions back.
        has_gradient: Whether an optimizer trains it; else its network's `fit` does.
    """

    sees_past: ClassVar[bool] = True
    feeds_back: ClassVar[bool] = True
    has_gradient: ClassVar[bool] = True

    def settle(self, *, leaves_room: bool) -> "SettledModel":
        """Return the model with all that follows from where series come from.

        Args:
            leaves_room: Whether they end and are divided by time, as a file's are, and the horizon is at most a third
                of what they train on, so that half of that is left for lags.

        Raises:
            Refused: If options can't go together.
        """
        raise NotImplementedError


class SettledModel(Model):
    """A model of which only what the data's values tell may be `null`."""

    @property
    def has_highway(self) -> bool:
        """Whether it learns what a linear autoregression leaves."""
        return False

    @property
    def window(self) -> int:
        """Steps of a training window, where it is not configured."""
        return 200

    def check(self, num_series: int, steps: int, window: int, context: int) -> None:
        """Make sure that the model goes together with the shape of the data.

        Args:
            num_series: Series in all.
            steps: Of a training series.
            window: Steps of a training window.
            context: Observed steps before a forecast.

        Raises:
            Refused: If it does not.
        """

    def resolve(self, facts: "Facts") -> "ResolvedModel":
        """Return the model with nothing left open.

        Raises:
            Refused: If series are too short to train on.
        """
        raise NotImplementedError


class ResolvedModel(SettledModel):
    """A model that can be built; one that leaves nothing open derives from here at once."""

    def settle(self, *, leaves_room: bool) -> SettledModel:
        """See `Model.settle`."""
        return self

    def resolve(self, facts: "Facts") -> "ResolvedModel":
        """See `SettledModel.resolve`."""
        return self

    def forecasts_by(self, epoch: int) -> str:
        """Return what people call that which forecasts with the weights of an epoch, 0 being those before training."""
        return self.kind if epoch else f"untrained {self.kind}"

    def is_linear(self, epoch: int) -> bool:
        """Say whether what forecasts with the weights of an epoch is linear, and can be fitted again."""
        return False

    def without_effect(self) -> dict[str, str]:
        """Return the keys that have no effect beside its others, each with the reason."""
        return {}

    def explain(self, written: Model, facts: "Facts") -> str:
        """Say in a line what was decided of the model as it was written; empty where nothing was."""
        return ""

    def build(self, num_channels: int, horizon: int, dtype: str, loss: "Loss", num_features: int = 0) -> "Forecaster":
        """Build the network with fresh weights from torch's global generator.

        Args:
            num_channels: Values at each time step.
            horizon: Steps of the forecasts that it is scored on.
            dtype: `float32` or `float64`.
            loss: What it is trained by.
            num_features: What is known in advance of each step.
        """
        raise NotImplementedError
