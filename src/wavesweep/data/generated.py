"""Data sets that are generated: arrays of (series, time, channel), float64.

A generator also knows how its series truly go on. Only evaluation sees that continuation.
Random numbers come from named streams of the seed, so that a longer continuation, or a size given by hand
instead of drawn, changes nothing else.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from wavesweep.base.schema import Count, NonNegative, NonNegativeInt, known
from wavesweep.data.dataset import Dataset
from wavesweep.data.streams import stream

if TYPE_CHECKING:
    import numpy as np


class Generated(Dataset):
    """A data set that is generated: it has a size, and knows how it goes on."""

    num_series: Count | None
    validation_series: NonNegativeInt
    length: Annotated[int, Field(ge=3, le=10**9)] | None

    knows_continuation: ClassVar[bool] = True

    @property
    def channels(self) -> tuple[str, ...]:
        """See `Dataset.channels`."""
        return ("value",)

    @property
    def shape(self) -> tuple[int, int]:
        """See `Dataset.shape`."""
        return known(self.num_series) + self.validation_series, known(self.length)

    @property
    def further_validation(self) -> int:
        """See `Dataset.further_validation`."""
        return self.validation_series

    def with_sizes(self) -> Self:
        """Return a copy with every size that is `null` drawn at random, as the article draws it."""
        draws = stream(known(self.seed), "sizes")
        drawn = {name: int(draws.integers(low, high)) for name, (low, high) in _DRAWN_SIZES.items()}
        missing = {name: drawn[name] for name in drawn if getattr(self, name, 0) is None}
        return self.model_copy(update=missing)

    def load(self, continuation: int) -> tuple["np.ndarray", "np.ndarray"]:
        """See `Dataset.load`."""
        import numpy as np

        length = known(self.length)
        values = self._signal(np.arange(length + continuation))[..., np.newaxis]
        return values[:, :length], values[:, length:]

    def _signal(self, time: "np.ndarray") -> "np.ndarray":
        """Return the values at the times 0, 1, …, (series, time)."""
        raise NotImplementedError


# Half-open ranges from which the article draws what is not given (its section on automatic construction).
_DRAWN_SIZES = {"num_series": (50, 200), "length": (800, 1200), "width": (10, 30)}


class Wave(Generated):
    """Waves of one width, each shifted by a whole number of steps drawn from [-4·width, 4·width)."""

    width: Annotated[float, Field(gt=0, le=1e12)] | None

    def _phases(self, time: "np.ndarray") -> "np.ndarray":
        """Return (t + shift) / width, (series, time)."""
        width = known(self.width)
        bound = max(int(4 * width), 1)
        shifts = stream(known(self.seed), "shifts").integers(-bound, bound, size=self.shape[0])
        return (time + shifts[:, None]) / width


class Sine(Wave):
    """sin((t + shift) / width): its period is 2π·width steps."""

    kind: Literal["sine"]

    def _signal(self, time: "np.ndarray") -> "np.ndarray":
        import numpy as np

        return np.sin(self._phases(time))


class CosSinSquared(Wave):
    """cos(sin((t + shift) / width)²): its period is π·width steps."""

    kind: Literal["cos_sin_squared"]

    def _signal(self, time: "np.ndarray") -> "np.ndarray":
        import numpy as np

        return np.cos(np.sin(self._phases(time)) ** 2)


class LinearNoise(Generated):
    """slope·t + intercept + ε, with ε ~ N(noise_mean, noise_std²) drawn per series or per step."""

    kind: Literal["linear_noise"]
    slope: float
    intercept: float
    noise_mean: float
    noise_std: NonNegative
    noise_per: Literal["series", "step"]

    def _signal(self, time: "np.ndarray") -> "np.ndarray":
        import numpy as np

        line = self.slope * time + self.intercept
        if self.noise_per == "series":
            draws = stream(known(self.seed), "noise")
            return line + draws.normal(self.noise_mean, self.noise_std, (self.shape[0], 1))
        # A stream for each series: neither more steps nor more series change those that are there.
        streams = [stream(known(self.seed), f"noise of series {index}") for index in range(self.shape[0])]
        return line + np.stack([draws.normal(self.noise_mean, self.noise_std, len(time)) for draws in streams])

    @model_validator(mode="after")
    def _varies(self) -> Self:
        if self.slope == 0 and self.noise_std == 0:
            raise ValueError("slope and noise_std must not both be 0, since all values would be the same; change one")
        return self
