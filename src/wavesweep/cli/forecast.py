"""`wavesweep forecast`: forecasts with a stored run, into a CSV file with a picture beside it."""

import os
from argparse import Namespace
from pathlib import Path

from wavesweep.base.counting import counted
from wavesweep.base.errors import Refused
from wavesweep.base.files import write_atomically
from wavesweep.base.terminal import say
from wavesweep.cli.arguments import Flags, read_place
from wavesweep.config.composing import compose
from wavesweep.config.config import with_runtime
from wavesweep.config.resolve import find_device
from wavesweep.data.dataset import Dataset, Observed
from wavesweep.files.csv import Csv
from wavesweep.reproduction.stored import StoredRun, find_run
from wavesweep.workspace.layout import OUTPUTS, fresh_name

MOST_DIGITS = 9


def run(arguments: list[str]) -> int:
    """Forecast with a stored run; return the exit code."""
    flags = _read_flags(arguments)
    place, overrides = read_place("forecast", flags.words)
    if place is None:
        raise Refused("forecast takes a run: its directory, MLflow's id, or latest; got none; name one")
    horizon = _horizon(flags.horizon)
    if flags.origins and (flags.data or horizon):
        raise Refused("--origins forecasts what the run was scored on, so it takes neither --data nor --horizon")
    if flags.output is not None:
        _check_output(Path(flags.output))
    local = compose(*overrides.values())
    stored = find_run(place, local.tracking)
    if not stored.weights:
        raise Refused(f"{stored.place} has no weights, since its status is {stored.status}; name another run")
    config, dtype = with_runtime(stored.config, local.runtime, overrides), stored.config.runtime.dtype
    if config.runtime.dtype != dtype:
        problem = f"must stay {dtype}, as the weights are, got {config.runtime.dtype}"
        raise Refused(f"runtime.dtype {problem}; leave it out")
    device = find_device(local.runtime.device) if "runtime.device" in overrides else "cpu"
    brought = None if flags.data is None else _read(Path(flags.data), config.dataset)

    from wavesweep.reproduction.forecasting import TrainedModel, own_series  # imports torch
    from wavesweep.reproduction.tables import rolling_csv, to_csv
    from wavesweep.runs import pictures

    try:
        model = TrainedModel.load(config, stored.weights, device)
    except Refused as error:
        raise Refused(f"{stored.place}: {error}") from None
    output = Path(flags.output) if flags.output else OUTPUTS / "forecasts" / f"{fresh_name()}.csv"
    output.parent.mkdir(parents=True, exist_ok=True)
    if flags.origins:
        table, count = rolling_csv(model)
        write_atomically(output, table)
        say(f"{count:,} forecasts of {stored.place}, beside what came\nforecasts: {output}")
        return 0
    series = own_series(config) if brought is None else brought
    forecasts = model.forecast(series, horizon)
    half_widths = model.half_widths(series, len(forecasts[0]))
    table = to_csv(config.dataset.channels, series, forecasts, half_widths)
    write_atomically(output, table)
    what = config.dataset.title if flags.data is None else Path(flags.data).name
    title = f"{what} · forecast by {config.model.kind}"
    bands = {} if half_widths is None else {config.forecast.interval: half_widths}
    pictures.continuations(output.with_suffix(".png"), config.dataset.channels, series, forecasts, title, bands)
    say(_summary(stored, flags.data, len(series), len(forecasts[0]), output))
    return 0


def _read(path: Path, dataset: Dataset) -> list[Observed]:
    """Read the series of a file, in the way of the run's own file, if there was one."""
    from wavesweep.reproduction.series_files import read_series  # imports pandas

    return read_series(path, dataset.channels, dataset.options if isinstance(dataset, Csv) else None)


def _read_flags(arguments: list[str]) -> Namespace:
    """Split the arguments into words and the values of flags.

    Raises:
        Refused: For a flag that is not known, or has no value.
    """
    flags = Flags("forecast")
    flags.add_argument("words", nargs="*")
    for name in ("--data", "--horizon", "--output"):
        flags.add_argument(name)
    flags.add_argument("--origins", action="store_true")
    return flags.parse_intermixed_args(arguments)


def _horizon(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or len(text) > MOST_DIGITS or int(text) < 1:
        raise Refused(f"--horizon must be a whole number from 1, got {text or 'nothing'}; give another")
    return int(text)


def _check_output(path: Path) -> None:
    """Refuse a file that can't be made, or a forecast that would take the place of what is there."""
    if path.suffix != ".csv":
        raise Refused(f"--output must be a file called .csv, got {path}; rename it")
    if not path.parent.is_dir():
        raise Refused(f"--output must lie in a directory that is there, got {path}; make {path.parent} first")
    for file in (path, path.with_suffix(".png")):
        if os.path.lexists(file):
            raise Refused(f"--output must name what is not there yet, but {file} is; move it away or name another")


def _summary(stored: StoredRun, data: str | None, count: int, steps: int, output: Path) -> str:
    """Return what was forecast, and where it is."""
    channels = len(stored.config.dataset.channels)
    what = f"{count} series of {counted(channels, 'channel')}, {counted(steps, 'step')}"
    source = "beyond the end of the run's own data" if data is None else f"beyond the end of {data}"
    files = f"forecast: {output}\npicture: {output.with_suffix('.png')}"
    return f"{what} {source}, by {stored.place}\n{files}"
