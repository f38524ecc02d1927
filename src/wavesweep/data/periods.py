"""Finding the seasons of series: those that autoregression does not explain."""

from collections.abc import Sequence
from math import gcd, lgamma, log, log1p
from typing import NamedTuple

import numpy as np

from wavesweep.data.lines import find_lines

# How often chance may be taken for a season:
USUAL = 0.01  # for a usual one
ANY = 0.01  # for any other, where nothing says which ones are usual
UNUSUAL = 0.001  # where others are
AGAINST_USAGE = 1e-6  # where none is
ORDERS, STEPS_AN_ORDER = 6, 10  # lags of the background at most, and steps for each
FEWEST_CYCLES = 3  # of a season that nothing but the data suggests
MOST_SERIES = 32  # that tell the seasons of all, evenly spread
MOST_LOOKED_AT = 100_000  # values, over all seasons that are tried
SMOOTH = 1e-6  # of the variance: where autoregression leaves less, a wave is without noise
LEAST_GAIN = 0.01  # of what autoregression leaves
BESIDE = 0.35  # of what a season explains: a shorter one within it that explains more is a season of its own
JITTER = 1e-11  # of the variance, which keeps waves without noise regular


def find_seasons(train: Sequence[np.ndarray], longest: int, usual: Sequence[int] | None = None) -> tuple[int, ...]:
    """Find up to two seasons: steps after which series repeat themselves beyond what autoregression explains.

    The mean of each step of a season, or a sine, is added to an autoregression with a trend; an F-test says whether
    what is left falls by more than chance would let it, so that a cycle of an autoregression is no season. The usual
    seasons are tested first, the longer one beyond the shorter one; without one of them, all others, at a level shared
    by all, of which the least likely by chance is taken, or what is as good and divides it. Waves without noise are
    seasons where their spectrum has sharp lines.

    Args:
        train: Series, each (time, channel), channels of similar variance; lengths may differ.
        longest: The longest season allowed; two whole cycles in the typical series also bound it.
        usual: Seasons that the distance of steps suggests, the shorter first; empty: it speaks against any;
            None: it is not known.

    Returns:
        Lags in steps, the shorter first; none where nothing repeats.

    Source:
        Seasonal dummies beyond an autoregression: Ghysels & Osborn (2001), The Econometric Analysis of Seasonal Time
        Series, 2.2; here the order is chosen without them, so that a cycle is explained before a season is.
    """
    typical = int(np.median([len(values) for values in train]))
    longest = min(longest, typical // 2)
    if longest < 2:
        return ()
    background = Background.of(train)
    if background is None or background.left < SMOOTH:
        return find_lines(train, longest)
    found: tuple[int, ...] = ()
    beyond = background
    for season in usual or ():
        if season <= longest and beyond.chance(season) < log(USUAL / len(usual or ())):
            found, beyond = (*found, season), beyond.beyond(season)
    if found:
        return found[:2]
    level = ANY
    if usual is not None:
        level = UNUSUAL if usual else AGAINST_USAGE
    return _others(train, background, longest, level)


def _others(train: Sequence[np.ndarray], background: "Background", longest: int, level: float) -> tuple[int, ...]:
    """Find up to two seasons that nothing but the data suggests: the one least likely by chance, and one beside it."""
    longest = min(longest, int(np.median([len(values) for values in train])) // FEWEST_CYCLES)
    tried = max(2, min(longest, MOST_LOOKED_AT // background.size))
    candidates = [*range(2, tried + 1)]
    if tried < longest:
        candidates += [season for season in find_lines(train, longest) if season > tried]
    chance = log(level / longest)
    first = background.likeliest(candidates, chance)
    if not first:
        return ()
    for part in (one for one in candidates if one < first and first % one == 0):
        if background.chance(part) < log(USUAL) < background.beyond(part).chance(first):
            return (part,)
    shorter = background.likeliest([one for one in candidates if first % one == 0 and first >= 6 * one], chance)
    if shorter and background.gain(shorter) > BESIDE * background.gain(first):
        return shorter, first
    second = background.beyond(first).likeliest([one for one in candidates if one >= 2 * first], chance)
    return (first, second) if second else (first,)


class Background:
    """Autoregressions of series, with a trend, beside which seasons are tested."""

    def __init__(self, columns: list[np.ndarray], number: float, known: int = 1) -> None:
        """Fit them.

        Args:
            columns: Of a regression for each length: time, lags, what is predicted, (channel, time, column).
            number: Of series and channels that tell something of their own.
            known: A season that is theirs already, in steps.
        """
        self.columns = [_without(one, known) for one in columns]
        self.number, self.known = number, known
        self.products = [np.swapaxes(one, 1, 2) @ one for one in self.columns]
        self.alone = [_squares(one, columns.shape[1]) for one, columns in zip(self.products, self.columns, strict=True)]
        self.orders = [_orders(one, columns.shape[1]) for one, columns in zip(self.alone, self.columns, strict=True)]

    @classmethod
    def of(cls, train: Sequence[np.ndarray]) -> "Background | None":
        """Return that of series, (time, channel) each; None where they follow straight lines."""
        chosen = np.unique(np.linspace(0, len(train) - 1, MOST_SERIES).round().astype(int))
        columns = [one for one in (_columns(train[number]) for number in chosen) if one is not None]
        return cls(columns, _independent(columns)) if columns else None

    def beyond(self, season: int) -> "Background":
        """Return the autoregressions beside a season."""
        return Background(self.columns, self.number, season)

    @property
    def size(self) -> int:
        """Values that are predicted."""
        return sum(one.shape[0] * one.shape[1] for one in self.columns)

    @property
    def left(self) -> float:
        """The share of the variance around a trend that autoregression leaves, in the median."""
        return float(np.median(np.concatenate([one[:, -1] / one[:, 0] for one in self.alone])))

    def test(self, season: int, even: bool) -> "FTest":
        """Compare what is left with what is left beside a season: the mean of each step, or a sine alone.

        Args:
            season: In steps.
            even: Whether a sine alone.
        """
        more = 2 if even else season - gcd(season, self.known)
        ratios, weights, freedoms = [], [], []
        for columns, products, alone, orders in zip(self.columns, self.products, self.alone, self.orders, strict=True):
            number = columns.shape[1]
            part = _on_sine(columns, season) if even else _on_steps(columns, season)
            beside = _squares(products - np.swapaxes(part, 1, 2) @ part, number)
            each, fewer = np.arange(len(orders)), np.minimum(_orders(beside, number), orders)
            rest = number - self.known - more - 1 - fewer
            degrees = np.maximum(more + fewer - orders, 1)  # a season that spares lags costs less
            ratio = (alone[each, orders] / beside[each, fewer] - 1) * rest / degrees
            told = (rest > 1) & (alone[:, 0] > SMOOTH * columns.shape[1])
            ratios += ratio[told].tolist()
            weights += rest[told].tolist()
            freedoms += degrees[told].tolist()
        if not ratios or not more:
            return FTest(0.0, 1.0, 1.0)
        total = sum(weights)
        ratio = float(np.dot(ratios, weights) / total)
        return FTest(ratio, self.number * float(np.mean(freedoms)), self.number * total / len(ratios))

    def chance(self, season: int) -> float:
        """Return the logarithm of how likely a season is by chance; 0 where it gains next to nothing."""
        tests = [self.test(season, even) for even in (False, True)[: 2 if season > 4 else 1]]
        likely = [test.chance for test in tests if test.gain > LEAST_GAIN]
        return min(0.0, min(likely, default=0.0) + log(len(tests)))

    def gain(self, season: int) -> float:
        """Return how much a season explains, of what is left without it."""
        gain = self.test(season, even=False).gain
        return gain / (1 + gain)

    def likeliest(self, seasons: Sequence[int], chance: float) -> int:
        """Return the season that is least likely by chance; 0: none is less likely than so, a logarithm."""
        chances = [self.chance(season) for season in seasons]
        if min(chances, default=0.0) >= chance:
            return 0
        return seasons[int(np.argmin(chances))]


class FTest(NamedTuple):
    """What is left beside a season, and without it.

    Attributes:
        ratio: By how much less is left, of what is left, each by its degrees of freedom.
        more: Degrees of freedom of the season.
        rest: Of what is left.
    """

    ratio: float
    more: float
    rest: float

    @property
    def gain(self) -> float:
        """How much is explained beyond chance, of what is left."""
        return (self.ratio - 1) * self.more / self.rest

    @property
    def chance(self) -> float:
        """The logarithm of how likely chance gives such a ratio, where that is too small for a float, too."""
        from scipy.special import betainc

        more, rest = self.more / 2, self.rest / 2
        left = rest / (rest + more * self.ratio)
        chance = float(betainc(rest, more, left))
        if chance > 1e-290:
            return log(chance)
        return rest * log(left) + more * log1p(-left) + lgamma(rest + more) - lgamma(rest + 1) - lgamma(more)


def _columns(values: np.ndarray) -> np.ndarray | None:
    """Return the columns of a regression, (channel, time, column), of channels that leave a straight line."""
    number = len(values)
    orders = min(ORDERS, number // STEPS_AN_ORDER)
    time = np.linspace(-1, 1, number)
    values = values - values.mean(axis=0)
    around = values - np.outer(time, time @ values / (time @ time))
    spread = around.std(axis=0)
    values = (around / np.maximum(spread, 1e-300)).T[spread > 1e-6]
    if not len(values):
        return None
    lags = [values[:, orders - lag : number - lag] for lag in range(1, orders + 1)]
    trend = np.broadcast_to(time[orders:], (len(values), number - orders))
    return np.stack([trend, *lags, values[:, orders:]], axis=2)


def _without(columns: np.ndarray, season: int) -> np.ndarray:
    """Return columns less their means at each step of a season; 1: less their means."""
    steps = np.arange(columns.shape[1]) % season
    return columns - (_sums(columns, season) / _counts(columns, season))[:, steps]


def _sums(columns: np.ndarray, season: int) -> np.ndarray:
    """Return the sum of columns at each step of a season, (channel, step, column)."""
    channels, number, width = columns.shape
    cycles = number // season
    sums = columns[:, : cycles * season].reshape(channels, cycles, season, width).sum(axis=1)
    sums[:, : number % season] += columns[:, cycles * season :]
    return sums


def _counts(columns: np.ndarray, season: int) -> np.ndarray:
    """Return how often each step of a season is there, at least 1, (step, 1)."""
    steps = np.arange(columns.shape[1]) % season
    return np.maximum(np.bincount(steps, minlength=season), 1)[:, None]


def _on_steps(columns: np.ndarray, season: int) -> np.ndarray:
    """Return columns projected on the steps of a season, (channel, step, column)."""
    return _sums(columns, season) / np.sqrt(_counts(columns, season))


def _on_sine(columns: np.ndarray, season: int) -> np.ndarray:
    """Return columns projected on sine and cosine of a period, (channel, 2, column)."""
    angle = 2 * np.pi / season * np.arange(columns.shape[1])
    waves = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.linalg.qr(waves - waves.mean(axis=0))[0].T @ columns


def _squares(products: np.ndarray, number: int) -> np.ndarray:
    """Return the sums of squares that autoregressions of each order leave, (channel, order from 0).

    Args:
        products: Of the columns, of variance about 1, with each other.
        number: Steps that are predicted.
    """
    last = np.square(np.linalg.cholesky(products + JITTER * number * np.eye(products.shape[2]))[:, -1, 1:])
    return last[:, ::-1].cumsum(axis=1)[:, ::-1]


def _orders(squares: np.ndarray, number: int) -> np.ndarray:
    """Return the order of autoregression that Schwarz' criterion chooses, (channel,)."""
    return (number * np.log(squares) + log(number) * np.arange(squares.shape[1])).argmin(axis=1)


def _independent(columns: list[np.ndarray]) -> float:
    """Return how many series and channels without shocks in common tell as much as these, by their spectra."""
    number = sum(len(one) for one in columns)
    if number == 1:
        return 1.0
    size = max(one.shape[1] for one in columns)
    spectra = []
    for one in columns:
        less = _without(one, 1)
        lags, value = less[..., :-1], less[..., -1:]
        left = value - lags @ (np.linalg.pinv(lags) @ value)
        spectra.append(np.log(np.square(np.abs(np.fft.rfft(left[..., 0], size)))[:, 1:-1] + 1e-300))
    levels = np.concatenate(spectra)
    shared = levels.mean(axis=0).var() / max(levels.var(axis=1).mean(), 1e-9)
    return float(np.clip(1 / max(shared, 1e-9), 1, number))
