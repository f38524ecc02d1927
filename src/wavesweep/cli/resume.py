"""`wavesweep resume`: finds a run or a sweep that has not ended, and goes on with it."""

from collections.abc import Collection
from functools import partial

from hydra_queue_sweeper.base.errors import Refused, relative
from hydra_queue_sweeper.base.overrides import written
from hydra_queue_sweeper.base.terminal import say
from wavesweep.base.exit_codes import DIVERGED, UNTRACKED
from wavesweep.cli.application import run_hydra
from wavesweep.cli.arguments import LOCAL, Flags, read_place
from wavesweep.cli.progress import fail, log_into, show
from wavesweep.config.composing import compose, offer, offer_tracking
from wavesweep.config.config import Config, flatten
from wavesweep.delivery.sync import MISSING, deliver_all, deliver_vanished
from wavesweep.experiment.preparation import prepare
from wavesweep.runs.execute import proceed
from wavesweep.tracking.follower_handle import Follower
from wavesweep.workspace.configurations import check_unchanged, read_config, read_written
from wavesweep.workspace.directory import Directory, RunDirectory, SweepRecord
from wavesweep.workspace.index import LATEST, Wanted, find, find_sweep, latest_that
from wavesweep.workspace.info import RunInfo
from wavesweep.workspace.places import OUTPUTS

LAUNCHING = ("hydra/launcher", "hydra.launcher.", "hydra.searchpath")
OPTIONS = ("n_workers", "n_trials", "timeout", "target", "dry_run", "detach", "claims")
"""The keys of hydra.sweeper that a sweep may go on with."""
GROWING = (".n_trials", ".target")


def run(arguments: list[str]) -> int:
    """Go on with a run or a sweep; return the exit code."""
    parser = Flags("resume")
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--top", type=int)
    parser.add_argument("--config-dir", "-cd")
    flags, words = parser.parse_known_args(arguments)
    place, overrides = read_place("resume", words, more=("",))
    own = {key: text for key, text in overrides.items() if key.startswith(LOCAL)}
    more = {key: text for key, text in overrides.items() if key not in own}
    local = compose(*own.values())
    grows = flags.top is not None or any(not key.startswith("hydra") or key.endswith(GROWING) for key in more)
    if place is None and grows:
        found = find_sweep(LATEST)
    elif place is None:
        found = find_waiting(local)
    else:
        found = _find(place, "sweep" if grows and place == LATEST else "run or sweep")
    if found is None:
        say(f"no run below {OUTPUTS} waits to be resumed; wavesweep sync delivers what MLflow has missed")
        return 0
    if isinstance(found, SweepRecord):
        folder = [] if flags.config_dir is None else ["--config-dir", flags.config_dir]
        how = "force" if flags.force else "true"
        return go_on(found, local, own, more, how=how, top=flags.top, folder=folder)
    assert isinstance(found, RunDirectory)
    if more or flags.top is not None:
        what = next(iter(more.values()), f"--top {flags.top}")
        way_out = f"leave it out, or vary it by wavesweep reproduce {relative(found.path)}"
        raise Refused(f"{what}: a run goes on as it began; {way_out}")
    return finish(found, local, own)


def _find(place: str, wanted: Wanted) -> Directory:
    """Return the run or sweep that a place names.

    Raises:
        Refused: If there is none.
    """
    found = find(place, wanted)
    if found is None:
        raise Refused(
            f"{place} must be the directory of a run or a sweep, a sweep's id, or latest, but holds no run.json; "
            "name another"
        )
    return found


def find_waiting(local: Config) -> Directory | None:
    """Return what was begun last of the runs and sweeps that were cut short; a sweep's runs are resumed with it."""
    deliver_vanished(local)

    def waits(directory: Directory, info: RunInfo) -> bool:
        is_part = isinstance(directory, RunDirectory) and info.sweep_id
        return info.status in ("killed", "failed") and not is_part

    return latest_that(waits)


def finish(directory: RunDirectory, local: Config, keys: Collection[str]) -> int:
    """Go on with a run; only deliver one that has ended. Return the exit code.

    Raises:
        Refused: If that can't be done exactly, or by another process only.
    """
    config = read_config(directory, local, keys)
    wanted = config.runtime.model_dump()
    for key, value in read_config(directory, local, []).runtime.model_dump().items():
        if wanted[key] != value:
            text = f"runtime.{key} must stay {value}, since results depend on it, got {wanted[key]}; start a new run"
            raise Refused(text)
    check_unchanged(directory)
    with directory.locked():
        info = directory.read_info()
        if info.complete:
            say(f"{relative(directory.path)} has {info.status} already")
            missing = deliver_all([directory], local, keys)[MISSING]
            if info.status == "diverged":
                return DIVERGED
            return UNTRACKED if missing else 0
        log_into(directory)
        try:
            with Follower(config.tracking) as follower:
                prepared = prepare(config, follower.require)
                return show(prepared.config, directory, partial(proceed, prepared, directory, follower))
        except Refused:
            raise
        except Exception as error:
            return fail(error, directory)


def go_on(
    sweep: SweepRecord,
    local: Config,
    own: dict[str, str],
    more: dict[str, str],
    *,
    how: str,
    top: int | None,
    folder: list[str],
) -> int:
    """Go on with a sweep by the command line that began it, with nothing taken from there that could run code.

    Args:
        sweep: Which.
        local: What is configured here and now.
        own: The overrides of `tracking` that were typed, by their keys.
        more: Those that choose the launcher, and what the sweep is to grow by.
        how: What `hydra.sweeper.resume` takes: true; force, whatever has changed; join, as one worker more.
        top: How many of the best configurations get further seeds; None: all.
        folder: The flag that names a folder of options of the user's own, if any.

    Raises:
        Refused: If that can't be done.
    """
    known = (*LAUNCHING, *(f"hydra.sweeper.{key}" for key in OPTIONS))
    if strangers := [text for key, text in more.items() if key.startswith("hydra") and not key.startswith(known)]:
        raise Refused(f"{strangers[0]}: a sweep goes on as it began; leave it out, or start a new sweep")
    if changed := [text for key, text in own.items() if key.startswith("runtime.")]:
        raise Refused(f"{changed[0]}: a sweep goes on as it began; leave it out, or start a new sweep")
    tracking = (read_config(sweep, local, own) if sweep.config.exists() else local).tracking
    place = [f"hydra.sweep.dir={written(str(sweep.path))}", f"hydra.sweeper.resume={how}"]
    place += [] if top is None else [f"hydra.sweeper.top={top}"]
    if sweep.composed.exists():
        base = read_written(sweep.composed, flatten({"tracking": tracking.model_dump()}))
        name = offer(base, tracking.model_dump())
    else:
        name = offer_tracking(tracking.model_dump())
    return run_hydra(["-m", *folder, *more.values(), *place], name)
