"""What people call the baselines."""

BASELINES = {
    "linear": "linear autoregression",
    "ridge": "ridge regression",
    "combined": "combined forecasts",
    "smoothing": "exponential smoothing",
    "naive": "last value repeated",
    "seasonal_naive": "seasonal naive",
    "line": "straight line",
    "drift": "drift",
    "mean": "mean of the context",
    "croston": "Croston's method",
    "tsb": "Teunter-Syntetos-Babai",
}
"""What people call the baselines. Of equal ones the first counts: without a season, the seasonal naive is the naive."""

EXACT = 1e-12  # a scaled error below it is of rounding
