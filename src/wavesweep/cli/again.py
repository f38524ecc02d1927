"""`wavesweep reproduce` and `wavesweep diff`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from hydra_queue_sweeper.base.errors import Refused, relative
from hydra_queue_sweeper.base.terminal import say
from wavesweep.base.exit_codes import FAILED, UNTRACKED
from wavesweep.base.streams import log
from wavesweep.cli.application import run_hydra
from wavesweep.cli.arguments import LOCAL, Flags, read_places
from wavesweep.cli.progress import carry_out, fail, log_into, show
from wavesweep.config.composing import compose, offer
from wavesweep.config.config import Config, dump, flatten
from wavesweep.config.overrides import overrides_of
from wavesweep.experiment.preparation import prepare
from wavesweep.reproduction.report import diff as report_diff
from wavesweep.reproduction.reproducing import check_rtol, conclude, prepare_again, run_again
from wavesweep.reproduction.stored import StoredRun, find_run
from wavesweep.runs.execute import execute
from wavesweep.tracking.follower_handle import Follower
from wavesweep.workspace.configurations import read_written
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.info import RunInfo
from wavesweep.workspace.places import new_run


def reproduce(arguments: list[str]) -> int:
    """Run a stored run again and compare, or vary it; return the exit code."""
    flags = Flags("reproduce")
    flags.add_argument("-m", "--multirun", action="store_true")
    flags.add_argument("--rtol", type=float, default=0.0)
    options, others = flags.parse_known_args(arguments)
    [place], overrides = _read("reproduce", others, 1, ("",))
    local = {key: text for key, text in overrides.items() if key.startswith(LOCAL)}
    fixed = [text for key, text in local.items() if not (options.multirun and key.startswith("runtime."))]
    here = compose(*fixed)  # a sweep may vary what it runs on
    check_rtol(options.rtol)
    if len(local) < len(overrides) or options.multirun:
        return _vary(place, here, list(overrides.values()), multirun=options.multirun)
    if Path(place).is_file():
        return _run_bare(Path(place), here, list(local))
    return _reproduce(find_run(place, here.tracking), here, list(local), options.rtol)


def diff(arguments: list[str]) -> int:
    """Show what differs between two runs; return the exit code."""
    places, overrides = _read("diff", arguments, 2)
    tracking = compose(*overrides.values()).tracking
    say(report_diff(*(find_run(place, tracking) for place in places)))
    return 0


def _read(
    command: str, arguments: list[str], number: int, more: tuple[str, ...] = ()
) -> tuple[list[str], dict[str, str]]:
    """Split arguments into so many runs, and overrides by their keys.

    Raises:
        Refused: For another number of runs, an unknown flag, or an override of something else.
    """
    places, overrides = read_places(command, arguments, more)
    if len(places) != number:
        wanted = f"takes {'one run' if number == 1 else 'two runs'}"
        raise Refused(f"{command} {wanted}, got {len(places)}; name MLflow ids, directories, or latest")
    return places, overrides


def _vary(place: str, here: Config, overrides: list[str], *, multirun: bool) -> int:
    """Run a stored configuration with some values changed, or a sweep around it."""
    if not [text for text in overrides if not text.startswith(("hydra.", "hydra/", "tracking."))]:
        raise Refused(f"reproduce {place} is to vary, but nothing changes; give KEY=VALUE")
    if Path(place).is_file():
        composed, name = _read_bare(Path(place), here, []), place
    else:
        stored = find_run(place, here.tracking)
        composed, name = _on_the_same_data(stored, overrides), stored.place
    return run_hydra([*(["-m"] * multirun), *overrides], offer(composed), name, composed)


def _on_the_same_data(stored: StoredRun, overrides: list[str]) -> Config:
    """Return a run's configuration before anything was derived, less what its file may have become since."""
    composed, file = stored.composed, stored.config.dataset.file
    if file is None or any(text.startswith(("dataset=", "dataset.path=")) for text in overrides):
        return composed
    return composed.model_copy(update={"dataset": composed.dataset.model_copy(update={"digest": file[1]})})


def _read_bare(path: Path, here: Config, keys: list[str]) -> Config:
    """Read a configuration that stands alone; it is tracked as configured here and now."""
    values = dump(here)
    return read_written(path, {"tracking": values["tracking"]} | {key: flatten(values)[key] for key in keys})


def _run_bare(path: Path, here: Config, keys: list[str]) -> int:
    """Run a configuration that stands alone."""
    config = _read_bare(path, here, [key for key in keys if key.startswith("runtime.")])
    with Follower(config.tracking) as follower:
        prepared, info = (
            prepare(config, follower.require),
            RunInfo(*overrides_of(config), sweep_id=None, name=path.name),
        )

        def run_there(directory: RunDirectory) -> int:
            log.info("%s is a configuration, no run: it is run, and compared with nothing", path)
            return show(prepared.config, directory, partial(execute, prepared, directory, info, follower))

        return _in_new_directory(run_there)


def _reproduce(stored: StoredRun, here: Config, keys: list[str], rtol: float) -> int:
    """Run a stored run again, and say how the two compare."""
    with Follower(here.tracking) as follower:
        prepared = prepare_again(stored, here, keys, follower)

        def run_there(directory: RunDirectory) -> int:
            begin = partial(run_again, stored, prepared, directory, follower)
            outcome = carry_out(prepared.config, directory, begin)
            equal, report = conclude(stored, directory, rtol)
            say(report)
            if not equal:
                return FAILED
            return 0 if outcome.delivered.complete else UNTRACKED

        return _in_new_directory(run_there)


def _in_new_directory(run_there: Callable[[RunDirectory], int]) -> int:
    """Carry out a new run in a directory of its own, with its log there; return the exit code."""
    directory = RunDirectory(new_run())
    directory.path.mkdir(parents=True)
    log_into(directory)
    log.info("writing to %s", relative(directory.path))
    try:
        return run_there(directory)
    except Refused:
        raise
    except Exception as error:
        return fail(error, directory)
