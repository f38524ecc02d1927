"""`wavesweep forecast`: forecasts with a stored run, into a CSV file with a picture beside it."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hydra_queue_sweeper.base.counting import counted
from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.terminal import say
from wavesweep.cli.arguments import Flags, read_place
from wavesweep.cli.output import check_free, write
from wavesweep.config.composing import compose
from wavesweep.config.config import with_runtime
from wavesweep.config.device import find_device
from wavesweep.config.tag_names import FORECASTS_BY
from wavesweep.files.dataset import Csv
from wavesweep.reproduction.stored import find_run
from wavesweep.workspace.places import OUTPUTS, fresh_name

if TYPE_CHECKING:
    from wavesweep.files.manner import Manner


def run(arguments: list[str]) -> int:
    """Forecast with a stored run; return the exit code."""
    parser = Flags("forecast")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--data")
    parser.add_argument("--horizon", type=int)
    parser.add_argument("--output")
    parser.add_argument("--format", choices=("own", "plain"))
    parser.add_argument("--origins", action="store_true")
    flags = parser.parse_intermixed_args(arguments)
    place, overrides = read_place("forecast", flags.words)
    if place is None:
        raise Refused("forecast takes a run: its directory, MLflow's id, or latest; got none; name one")
    if flags.origins and (flags.data or flags.horizon is not None):
        raise Refused("--origins forecasts what the run was scored on, so it takes neither --data nor --horizon")
    if flags.origins and flags.format == "own":
        raise Refused(
            "--origins writes columns that no file of the user's has, so it takes no --format=own; leave it out"
        )
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
    own = config.dataset if isinstance(config.dataset, Csv) else None
    if own is None and flags.format == "own":
        raise Refused("--format=own writes as the run's own file is written, but it has read none; leave it out")
    device = find_device(local.runtime.device) if "runtime.device" in overrides else "cpu"
    brought = None
    if flags.data is not None:
        from wavesweep.reproduction.series_files import read_series  # imports pandas

        brought = read_series(Path(flags.data), config.dataset.channels, own.options if own else None)

    from wavesweep.drawing.continuations import draw_continuations
    from wavesweep.reproduction.forecasting import TrainedModel, own_series  # imports torch
    from wavesweep.reproduction.tables import continuations, continuations_below, rolling, to_csv

    model = TrainedModel.load(config, stored.weights, device)
    output = Path(flags.output) if flags.output else OUTPUTS / "forecasts" / f"{fresh_name()}.csv"
    if flags.origins:
        table, count = rolling(model)
        output.parent.mkdir(parents=True, exist_ok=True)
        write(output, to_csv(table))
        say(f"{count:,} forecasts of {stored.place}, beside what came\nforecasts: {output}")
        return 0
    series = brought or own_series(config)
    forecasts = model.forecast(series, flags.horizon)
    steps = len(forecasts[0])
    reaches = model.reach(series, forecasts)
    channels = config.dataset.channels
    quantiles = model.quantiles(series, forecasts)
    asked = config.forecast.quantiles
    written = str(output)
    if own is None or flags.format == "plain":
        content = to_csv(continuations(channels, series, forecasts, reaches, quantiles, asked))
    else:
        manner = _manner(own, flags.data)
        content = continuations_below(
            manner, own.target or channels, channels, series, forecasts, reaches, quantiles, asked
        )
        written += f", written as {Path(flags.data or own.path or '').name}; --format=plain has all digits"
    output.parent.mkdir(parents=True, exist_ok=True)
    write(output, content)
    picture = output.with_suffix(".png")
    what = config.dataset.title if flags.data is None else Path(flags.data).name
    forecaster = stored.tags.get(FORECASTS_BY, "a run cut short")  # which may have weights
    title = f"{what} · forecast by {forecaster}"
    bands = {} if reaches is None else {config.forecast.interval: reaches}
    with TemporaryDirectory(dir=output.parent, prefix=".") as folder:
        drawn = Path(folder, picture.name)
        draw_continuations(drawn, channels, series, forecasts, title, bands)
        write(picture, drawn.read_bytes())
    sizes = f"{len(series)} series of {counted(len(channels), 'channel')}, {counted(steps, 'step')}"
    source = flags.data or "the run's own data"
    say(f"{sizes} beyond the end of {source}, by {stored.place} ({forecaster})")
    say(f"forecast: {written}\npicture: {picture}")
    return 0


def _manner(own: Csv, data: str | None) -> "Manner":
    """Return how the file is written whose series are forecast: the run's own, unless another is given."""
    from wavesweep.files.manner import read_manner  # imports pandas

    if data is not None:
        return read_manner(Path(data), None, own.options)
    assert own.path is not None
    return read_manner(Path(own.path), own.digest, own.options)


def _check_output(path: Path) -> None:
    """Refuse a file that can't be made, or a forecast that would take the place of what is there."""
    if path.suffix != ".csv":
        raise Refused(f"--output must be a file called .csv, got {path}; rename it")
    check_free([path, path.with_suffix(".png")])
