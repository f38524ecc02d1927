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
    from wavesweep.models.forecaster import Forecaster

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
    def can_be_refined(self) -> bool:
        """Whether an optimizer can lower the error of its closed loop itself."""
        return self.feeds_back and self.has_gradient

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

    def adapted(self, train: "Sequence[np.ndarray]", val: "Windows", seasons: tuple[int, ...], window: int) -> Self:
        """Return a copy with what is `null` and only the data's values tell.

        Args:
            train: Series of the training part, scaled, each (time, channel).
            val: Windows of the validation part, scaled.
            seasons: As `find_seasons` gives them.
            window: Steps of a training window.
        """
        return self

    def build(self, num_channels: int, dtype: str) -> "Forecaster":
        """Build the network with fresh weights from torch's global generator.

        Args:
            num_channels: Values at each time step.
            dtype: `float32` or `float64`.
        """
        raise NotImplementedError


class Recurrent(Model):
    """Recurrent layers, of equal or unequal sizes, with a linear output.

    Attributes:
        layer: Name of the layer in torch.nn.
    """

    hidden_sizes: Annotated[tuple[Size, ...], Field(strict=False, min_length=1, max_length=100)]
    head_size: Annotated[int, Field(ge=0, le=65536)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    normalization: Literal["none", "batch", "layer"]
    difference: bool | None
    output: Literal["value", "increment"]
    initialization: Literal["orthogonal", "uniform"]

    layer: ClassVar[Literal["LSTM", "GRU"]]

    def check(self, num_series: int, steps: int, window: int, context: int) -> None:
        """See `Model.check`."""
        if self.normalization == "batch" and window < 3:
            raise Refused("training.window must be at least 3 with model.normalization=batch, got 2")
        if self.difference and window < 3:
            raise Refused("training.window must be at least 3 with model.difference=true, got 2")
        if self.difference and context < 2:
            raise Refused("forecast.context must be at least 2 with model.difference=true, got 1")

    def adapted(self, train: "Sequence[np.ndarray]", val: "Windows", seasons: tuple[int, ...], window: int) -> Self:
        """See `Model.adapted`: decides by whether series drift if it takes differences.

        From half of the variance on, a line says more of the series than all else does. Where windows are too short
        to tell, or to have two differences, there are none.
        """
        if self.difference is not None:
            return self
        from wavesweep.data.trends import trend_share

        drifts = window > 3 and val.context.shape[1] > 1 and trend_share(train) > 0.5
        return self.model_copy(update={"difference": drifts})

    def build(self, num_channels: int, dtype: str) -> "Forecaster":
        """See `Model.build`."""
        import torch

        from wavesweep.models.recurrent import RecurrentForecaster

        network = RecurrentForecaster(num_channels, layer=self.layer, **self.model_dump(exclude={"kind"}))
        return network.to(getattr(torch, dtype))


class LSTM(Recurrent):
    """Long short-term memory, Hochreiter & Schmidhuber (1997)."""

    kind: Literal["lstm"]

    layer: ClassVar[Literal["LSTM", "GRU"]] = "LSTM"


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

    def build(self, num_channels: int, dtype: str) -> "Forecaster":
        """See `Model.build`."""
        import torch

        from wavesweep.models.pointwise import PointwiseForecaster

        return PointwiseForecaster(num_channels, self.hidden_size).to(getattr(torch, dtype))


class Linear(Model):
    """Linear autoregression, fitted by least squares.

    Attributes:
        order: The longest lag; null: that of `lags`, and where these are null too, all is chosen.
        lags: The past values that it looks at; null, or others than end at `order`: all from 1 to `order`.
        centred: Whether relative to the last value; null: no, if it is not chosen.
        joint: Whether at the past of all channels for each; null: yes, if it is not chosen.
    """

    kind: Literal["linear"]
    order: Size | None
    # What older versions did not store.
    lags: Annotated[Ascending, Field(min_length=1)] | None = None
    centred: bool | None = None
    joint: bool | None = None

    has_gradient: ClassVar[bool] = False

    def check(self, num_series: int, steps: int, window: int, context: int) -> None:
        """See `Model.check`."""
        if self.order is None and self.lags is None:
            return
        order = self._looks_at().lags[-1]
        if order >= steps:
            raise Refused(f"model.order must be less than the {steps} training steps, got {order}")
        if order > context:
            raise Refused(f"model.order must be at most forecast.context = {context}, got {order}")

    def adapted(self, train: "Sequence[np.ndarray]", val: "Windows", seasons: tuple[int, ...], window: int) -> Self:
        """See `Model.adapted`: what it looks at is chosen by the closed-loop error on validation."""
        looks_at = self._looks_at() if self.order or self.lags else self._choose(train, val, seasons)
        return self.model_copy(update={"order": looks_at.lags[-1], **vars(looks_at)})

    def build(self, num_channels: int, dtype: str) -> "Forecaster":
        """See `Model.build`; it is not fitted yet, and works in double precision whatever the `dtype`."""
        from wavesweep.models.linear import LinearForecaster

        return LinearForecaster(num_channels, self._looks_at())

    def _looks_at(self) -> "Lags":
        from wavesweep.baselines.autoregression import Lags

        lags, order = self.lags, self.order
        if lags is None or order not in (None, lags[-1]):
            lags = tuple(range(1, known(order) + 1))
        return Lags(lags, centred=bool(self.centred), joint=self.joint is not False)

    def _choose(self, train: "Sequence[np.ndarray]", val: "Windows", seasons: tuple[int, ...]) -> "Lags":
        from wavesweep.baselines.autoregression import choose_lags

        chosen, given = choose_lags(train, val, seasons), {"centred": self.centred, "joint": self.joint}
        return replace(chosen, **{key: value for key, value in given.items() if value is not None})
