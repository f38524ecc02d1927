"""Seasons as sharp lines in the spectrum of long series, or of those without noise."""

from collections.abc import Sequence

import numpy as np

LOBE = 2  # half the width of a line under a Hann taper, in frequencies that a series can tell apart
NEIGHBOURS = 9  # frequencies on each side that give the background of one
STANDS_OUT = 25.0  # times its background, in a single series: by chance in a few of a hundred
UNEVEN, LONGEST_UNEVEN = 6.5, 60  # how far the harmonics of a single series together stand out
FEWEST_CYCLES, FEW_CYCLES = 3.4, 10
ROUNDING = 1e-12  # of a variance of 1
LEAST_SHARE = 0.01  # of the variance around a straight line
AS_GOOD, BESIDE = 0.9, 0.6  # of the lines' variance: as good as a longer season; a season of its own beside that


def find_lines(train: Sequence[np.ndarray], longest: int) -> tuple[int, ...]:
    """Find up to two seasons: the shortest at which series repeat themselves, and that of what it does not explain.

    A season is a few sharp lines in the spectrum, a cycle of a random walk or an autoregression a broad hill; so lines
    are what stands far out of the frequencies on both sides. The autocorrelation of the lines alone has a peak at each
    whole number of seasons, and no others by chance.

    Args:
        train: Series, each (time, channel), channels of similar variance; lengths may differ.
        longest: The longest season allowed; two whole cycles in the typical series also bound it.

    Returns:
        Lags in steps, the shorter first; none where nothing repeats.

    Source:
        Lines against a local background: Thomson (1982), Spectrum estimation and harmonic analysis; here with a single
        taper, and a median for the background.
    """
    lengths = np.array([len(values) for values in train])
    typical = int(np.median(lengths))
    longest = min(longest, typical // 2)
    if longest < 2:
        return ()
    size = 1 << (2 * int(lengths.max())).bit_length()
    frequencies = np.arange(size // 2 + 1) / size
    power, tapers = _spectra([_around_line(values) for values in train], size)
    number = train[0].shape[1] * lengths.sum() ** 2 / np.square(lengths).sum()  # of series that count
    rises = _rises(power * _whitening(power, frequencies, typical), size / typical, 1 + STANDS_OUT / np.sqrt(number))
    rises &= frequencies > 1 / (longest + 0.5) - 0.5 / typical
    tapered = np.fft.irfft(tapers)[: longest + 2]
    total = max(np.fft.irfft(power)[0] / tapered[0], 1e-20)

    def repeats(apart: np.ndarray | bool) -> np.ndarray:
        """Return the autocorrelation of the lines at such frequencies, by lag from 0."""
        lobe = np.ones(min(int(2 * LOBE * size / typical) + 1, len(rises)))
        around = np.convolve(rises & apart, lobe, "same") > 0.5
        return np.fft.irfft(power * (around & apart))[: longest + 2] / tapered / total

    correlation = repeats(apart=True)
    peaks = _peaks(correlation)
    season = _shortest(peaks, correlation) if correlation[0] > LEAST_SHARE and len(peaks) else 0
    uneven = _uneven(power, typical, longest, UNEVEN / number**0.35) if total > ROUNDING else 0
    if typical < FEW_CYCLES * uneven and 2 * uneven > 3 * season:
        return (uneven,)
    if not season:
        return ()
    for peak in peaks[(2 * peaks <= season) & (correlation[peaks] > BESIDE * correlation[0])]:
        shorter = round(season / round(season / peak))
        if abs(shorter - peak) <= 1:  # the longer season's slope shifts the peak
            return shorter, _aligned(season, shorter, typical)
    harmonics = np.round(frequencies * season)
    apart = np.abs(frequencies - harmonics / season) - harmonics / (2 * season**2)  # a season is known to a half
    correlation = repeats((apart > LOBE / typical) | (harmonics == 0))
    peaks = _peaks(correlation)
    peaks = peaks[peaks >= 2 * season]
    if correlation[0] < LEAST_SHARE or not len(peaks):
        return (season,)
    second = _aligned(_shortest(peaks, correlation), season, typical)
    return (season, second) if second <= longest else (season,)


def _shortest(peaks: np.ndarray, correlation: np.ndarray) -> int:
    """Return the first of peaks that is nearly as high as can be, or else the highest."""
    high = correlation[peaks] > AS_GOOD * correlation[0]
    return int(peaks[np.argmax(high if high.any() else correlation[peaks])])


def _aligned(season: int, shorter: int, typical: int) -> int:
    """Return the whole number of shorter seasons that can't be told from a season in a series, or else that season."""
    whole = round(season / shorter) * shorter
    return int(whole if 4 * abs(whole - season) * typical <= season**2 else season)


def _around_line(values: np.ndarray) -> np.ndarray:
    """Return the values less a straight line for each channel."""
    time = np.linspace(-1, 1, len(values))[:, None]
    values = values - values.mean(axis=0)
    return values - time * (time * values).sum(axis=0) / max(np.square(time).sum(), 1)


def _spectra(series: Sequence[np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the power of tapered series and of the tapers, each summed over series and channels."""
    power, tapers = np.zeros(size // 2 + 1), np.zeros(size // 2 + 1)
    for values in series:
        taper = np.hanning(len(values) + 2)[1:-1, None]
        power += np.square(np.abs(np.fft.rfft(values * taper, size, axis=0))).sum(axis=1)
        tapers += np.square(np.abs(np.fft.rfft(taper[:, 0], size))) * values.shape[1]
    return power, tapers


def _whitening(power: np.ndarray, frequencies: np.ndarray, typical: int) -> np.ndarray:
    """Return the power of the frequency that makes a spectrum level, each octave counting the same."""
    inner = frequencies > 1.5 / typical
    size, level = np.log(frequencies[inner]), np.log(power[inner] + 1e-300)
    weights = 1 / frequencies[inner]
    around = size - np.average(size, weights=weights)
    slope = (weights * around * level).sum() / (weights * np.square(around)).sum()
    return np.maximum(frequencies, 1 / typical) ** np.clip(-slope, 0, 4)


def _rises(power: np.ndarray, width: float, least: float) -> np.ndarray:
    """Say where a spectrum stands out of the median on either side, (frequency,).

    Args:
        power: At evenly spaced frequencies from 0.
        width: So many of them a series can tell from the next.
        least: Times the median.
    """
    steps = np.round(width * np.arange(LOBE + 1, LOBE + 1 + NEIGHBOURS)).astype(int)
    reach = steps[-1]
    padded = np.pad(power, reach)  # with zeros: beyond an end there is no background, and the other side counts
    places = np.arange(len(power)) + reach
    background = np.maximum(*(np.median([padded[places + sign * step] for step in steps], axis=0) for sign in (-1, 1)))
    return power > least * background


def _uneven(power: np.ndarray, typical: int, longest: int, least: float) -> int:
    """Return the season whose harmonics together stand out most of what is halfway between them; 0: not enough.

    In a few cycles, the lines of an uneven season leave no background between them, and each alone says little.
    """
    size, scores = 2 * (len(power) - 1), {0: least}
    level = np.log(power + 1e-12 * power.max())
    for season in range(4, min(longest, int(typical / FEWEST_CYCLES), LONGEST_UNEVEN) + 1):
        halves = level[np.round(np.arange(1, season + 2) * size / (2 * season)).astype(int).clip(max=size // 2)]
        on = halves[1:season:2]  # the harmonics; the others lie beside them
        higher = on - (halves[0 : 2 * len(on) : 2] + halves[2 : 2 * len(on) + 2 : 2]) / 2
        scores[season] = float(higher.mean() * np.sqrt(len(on)))
    return max(scores, key=lambda one: scores[one])


def _peaks(correlation: np.ndarray) -> np.ndarray:
    """Return the lags from 2 on, but for the last, at which a correlation is greater than beside them and than 0."""
    inner = correlation[1:-1]
    rises = (inner > correlation[:-2]) & (inner >= correlation[2:]) & (inner > 0)
    return np.flatnonzero(rises) + 1
