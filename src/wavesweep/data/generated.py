"""Data sets that are generated: arrays of (series, time, channel), float64.

A generator also knows how its series truly go on. Only evaluation sees that continuation.
Random numbers come from named streams of the seed, so that a longer continuation, or a size given by hand
instead of drawn, changes nothing else.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from wavesweep.base.schema import Count, NonNegative, NonNegativeInt
from wavesweep.data.dataset import Dataset, Source
from wavesweep.data.random_streams import stream

if TYPE_CHECKING:
    import numpy as np

# Half-open ranges from which the article draws what is not given (its section on automatic construction).
_RANGES = {"num_series": (50, 200), "length": (800, 1200), "width": (10, 30)}


@dataclass(frozen=True)
class Size:
    """The size of a generated data set, and the seed of its values.

    Attributes:
        num_series: Series in all.
        length: Observed steps of each.
        width: Of a wave.
        seed: Of the values.
    """

    num_series: int
    length: int
    width: float
    seed: int


class Generated(Dataset):
    """A data set that is generated: it has a size, and knows how it goes on."""

    num_series: Count | None
    validation_series: NonNegativeInt
    length: Annotated[int, Field(ge=3, le=10**9)] | None

    @property
    def channels(self) -> tuple[str, ...]:
        """See `Dataset.channels`."""
        return ("value",)

    def open(self, seed: int) -> Source:
        """See `Dataset.open`: what is `null` is drawn as the article draws it."""
        draws = stream(seed, "sizes")
        drawn = {name: int(draws.integers(*bounds)) for name, bounds in _RANGES.items()}
        known = drawn | {name: size for name, size in self if name in drawn and size is not None}
        size = Size(known["num_series"] + self.validation_series, known["length"], known["width"], seed)
        sizes = {name: known[name] for name in drawn if name in type(self).model_fields}
        return GeneratedSource(self.model_copy(update={"seed": seed, **sizes}), size)

    def values(self, time: "np.ndarray", size: Size) -> "np.ndarray":
        """Return the values at the times 0, 1, …, (series, time)."""
        raise NotImplementedError


@dataclass(frozen=True)
class GeneratedSource(Source):
    """Series that are generated.

    Attributes:
        size: How many and how long they are.
    """

    dataset: Generated
    size: Size

    knows_continuation: ClassVar[bool] = True

    @property
    def shape(self) -> tuple[int, int]:
        """See `Source.shape`."""
        return self.size.num_series, self.size.length

    @property
    def num_validating(self) -> int:
        """See `Source.num_validating`."""
        return self.dataset.validation_series

    def load(self, continuation: int) -> tuple["np.ndarray", "np.ndarray"]:
        """See `Source.load`."""
        import numpy as np

        length = self.size.length
        values = self.dataset.values(np.arange(length + continuation), self.size)[..., np.newaxis]
        return values[:, :length], values[:, length:]


class Wave(Generated):
    """Waves of one width, each shifted by a whole number of steps drawn from [-4·width, 4·width)."""

    width: Annotated[float, Field(gt=0, le=1e12)] | None

    def values(self, time: "np.ndarray", size: Size) -> "np.ndarray":
        """See `Generated.values`."""
        bound = max(int(4 * size.width), 1)
        shifts = stream(size.seed, "shifts").integers(-bound, bound, size=size.num_series)
        return self.wave((time + shifts[:, None]) / size.width)

    def wave(self, phases: "np.ndarray") -> "np.ndarray":
        """Return the wave at (t + shift) / width, (series, time)."""
        raise NotImplementedError


class Sine(Wave):
    """sin((t + shift) / width): its period is 2π·width steps."""

    kind: Literal["sine"]

    def wave(self, phases: "np.ndarray") -> "np.ndarray":
        """See `Wave.wave`."""
        import numpy as np

        return np.sin(phases)


class CosSinSquared(Wave):
    """cos(sin((t + shift) / width)²): its period is π·width steps."""

    kind: Literal["cos_sin_squared"]

    def wave(self, phases: "np.ndarray") -> "np.ndarray":
        """See `Wave.wave`."""
        import numpy as np

        return np.cos(np.sin(phases) ** 2)


class LinearNoise(Generated):
    """slope·t + intercept + ε, with ε ~ N(noise_mean, noise_std²) drawn per series or per step."""

    kind: Literal["linear_noise"]
    slope: float
    intercept: float
    noise_mean: float
    noise_std: NonNegative
    noise_per: Literal["series", "step"]

    def values(self, time: "np.ndarray", size: Size) -> "np.ndarray":
        """See `Generated.values`."""
        import numpy as np

        line = self.slope * time + self.intercept
        if self.noise_per == "series":
            draws = stream(size.seed, "noise")
            return line + draws.normal(self.noise_mean, self.noise_std, (size.num_series, 1))
        # A stream for each series: neither more steps nor more series change those that are there.
        streams = [stream(size.seed, f"noise of series {index}") for index in range(size.num_series)]
        return line + np.stack([draws.normal(self.noise_mean, self.noise_std, len(time)) for draws in streams])
