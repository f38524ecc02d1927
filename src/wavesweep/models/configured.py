"""Models as they are configured; `build` takes what only the data can tell, and imports torch.

A new kind says here what it can do, and is found by its `kind`: nothing else lists it but its file in conf/model.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field

from wavesweep.base.errors import Refused
from wavesweep.base.schema import Ascending, Member, known

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from wavesweep.baselines.autoregression import Lags
    from wavesweep.baselines.baseline import Windows
    from wavesweep.networks.forecaster import Forecaster

Size = Annotated[int, Field(ge=1, le=65536)]


class Model(Member):
    """A model, as it is configured.

    Attributes:
        sees_past: Whether its predictions depend on past values.
        feeds_back: Whether its closed loop feeds predictions back.
        has_gradient: Whether an optimizer trains it; else its network's `fit` does.
    """

    sees_past: ClassVar[bool] = True
    feeds_back: ClassVar[bool] = True
    has_gradient: ClassVar[bool] = True

    @property
    def has_highway(self) -> bool:
        """Whether it learns what a linear autoregression leaves."""
        return False

    @property
    def window(self) -> int:
        """Steps of a training window, where it is not configured."""
        return 200

    @property
    def can_be_refined(self) -> bool:
        """Whether an optimizer can lower the error of its closed loop itself."""
        return self.feeds_back and self.has_gradient

    def settled(self, *, leaves_room: bool) -> Self:
        """Return a copy with what is `null` and follows from where series come from.

        Args:
            leaves_room: Whether they end and are split by time, as a file's are, and the horizon is at most a third of
                what they train on, so that half of that is left for lags.

        Raises:
            Refused: If options can't go together.
        """
        return self

    def without_effect(self) -> dict[str, str]:
        """Return the keys that have no effect beside its others, each with the reason."""
        return {}

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

    def adapted(
        self, train: "Sequence[np.ndarray]", val: "Windows", seasons: tuple[int, ...], window: int, washout: int
    ) -> Self:
        """Return a copy with what is `null` and only the data's values tell.

        Args:
            train: Series of the training part, scaled, each (time, channel).
            val: Windows of the validation part, scaled.
            seasons: As `find_seasons` gives them.
            window: Steps of a training window.
            washout: The first of these, whose predictions losses leave out.

        Raises:
            Refused: If series are too short to train on.
        """
        return self

    def build(self, num_channels: int, horizon: int, dtype: str) -> "Forecaster":
        """Build the network with fresh weights from torch's global generator.

        Args:
            num_channels: Values at each time step.
            horizon: Steps of the forecasts that it is scored on.
            dtype: `float32` or `float64`.
        """
        raise NotImplementedError


class Autoregressive(Model):
    """A model with a linear autoregression.

    Attributes:
        lags: The past values that it looks at; null: chosen.
        centred: Whether relative to the last value; null: chosen with the lags.
        joint: Whether at the past of all channels for each; null: chosen with the lags.
    """

    # What older versions did not store.
    lags: Ascending | None = None
    centred: bool | None = None
    joint: bool | None = None

    def settled(self, *, leaves_room: bool) -> Self:
        """See `Model.settled`."""
        if self.lags == ():
            raise Refused("model.lags must be one or more, got []; give null to have them chosen")
        return self

    def _check_reach(self, key: str, longest: int, steps: int, context: int) -> None:
        if longest >= steps:
            raise Refused(f"model.{key} must be less than the {steps} training steps, got {longest}")
        if longest > context:
            raise Refused(f"model.{key} must be at most forecast.context = {context}, got {longest}")

    def _looks_at(self) -> "Lags":
        from wavesweep.baselines.autoregression import Lags

        return Lags(known(self.lags), centred=bool(self.centred), joint=self.joint is not False)

    def _choose(self, train: "Sequence[np.ndarray]", val: "Windows", seasons: tuple[int, ...]) -> "Lags":
        """Return what it looks at, by the closed-loop error on validation; but what is given."""
        from wavesweep.baselines.autoregression import choose_lags

        chosen, given = choose_lags(train, val, seasons), {"centred": self.centred, "joint": self.joint}
        return replace(chosen, **{key: value for key, value in given.items() if value is not None})


class Pointwise(Model):
    """A network of the time alone, which never sees a past value; for one series."""

    kind: Literal["pointwise"]
    hidden_size: Size

    sees_past: ClassVar[bool] = False
    feeds_back: ClassVar[bool] = False

    def check(self, num_series: int, steps: int, window: int, context: int) -> None:
        """See `Model.check`."""
        if num_series > 1:
            raise Refused(
                f"model=pointwise sees the time alone, so it takes one series, got {num_series}; "
                "choose another model, or set dataset.num_series=1 and dataset.validation_series=0"
            )

    def build(self, num_channels: int, horizon: int, dtype: str) -> "Forecaster":
        """See `Model.build`."""
        import torch

        from wavesweep.networks.pointwise import PointwiseForecaster

        return PointwiseForecaster(num_channels, self.hidden_size).to(getattr(torch, dtype))


class Linear(Autoregressive):
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

    def check(self, num_series: int, steps: int, window: int, context: int) -> None:
        """See `Model.check`."""
        if self.order or self.lags:
            self._check_reach("order", self._looks_at().lags[-1], steps, context)

    def adapted(
        self, train: "Sequence[np.ndarray]", val: "Windows", seasons: tuple[int, ...], window: int, washout: int
    ) -> Self:
        """See `Model.adapted`: what it looks at is chosen by the closed-loop error on validation."""
        looks_at = self._looks_at() if self.order or self.lags else self._choose(train, val, seasons)
        return self.model_copy(update={"order": looks_at.lags[-1], **vars(looks_at)})

    def build(self, num_channels: int, horizon: int, dtype: str) -> "Forecaster":
        """See `Model.build`; it is not fitted yet, and works in double precision whatever the `dtype`."""
        from wavesweep.networks.linear import LinearForecaster

        return LinearForecaster(num_channels, self._looks_at())

    def _looks_at(self) -> "Lags":
        if self.lags and self.order in (None, self.lags[-1]):
            return super()._looks_at()
        return self.model_copy(update={"lags": tuple(range(1, known(self.order) + 1)), "order": None})._looks_at()
