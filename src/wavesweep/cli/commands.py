"""The commands that are no runs: their docstrings are their `--help`, and their imports come late."""

from pathlib import Path


def resume(arguments: list[str]) -> int:
    """Finishes a run or a sweep that was interrupted or failed: to the last bit as if nothing had happened.

    usage: wavesweep resume [RUN_DIR | SWEEP_ID | latest] [--force] [tracking.KEY=VALUE...]
           wavesweep resume SWEEP [KEY=VALUE,...] [--top N]

      wavesweep resume                              what was begun last below outputs/ and has not ended
      wavesweep resume outputs/runs/RUN             this run
      wavesweep resume SWEEP                        this sweep: what has finished stays, what has failed runs again
      wavesweep resume SWEEP optimizer.lr=3e-3      the same, or the latest, grown by a further value of a list
      wavesweep resume SWEEP seed=1,2,3 --top 3     by further seeds of the three best; without --top: of all
      wavesweep resume SWEEP hydra.sweeper.n_trials=60      by further proposals

    --force goes on with a sweep although code or data have changed. A sweep takes hydra.sweeper.n_workers, .timeout,
    .target, .dry_run, hydra/launcher and hydra.launcher.* too. A run that has ended well is delivered to MLflow, if it
    is not there yet.
    """
    from wavesweep.cli.resume import run

    return run(arguments)


def summary(arguments: list[str]) -> int:
    """Shows the leaderboard of a sweep, while it runs too.

    usage: wavesweep summary [SWEEP_ID | DIRECTORY | latest] [--test]

      wavesweep summary                             the sweep that was begun last
      wavesweep summary outputs/sweeps/SWEEP        this one

    --test shows the test scores of all configurations, not the winner's alone; they play no part in the order.
    """
    from wavesweep.cli.arguments import read_place
    from wavesweep.leaderboard.ranking import rank
    from wavesweep.leaderboard.table import show
    from wavesweep.workspace.index import find_sweep

    place, _ = read_place("summary", [text for text in arguments if text != "--test"])
    sweep = find_sweep(place or "latest").sweep
    show(rank(sweep, tests="--test" in arguments))
    return 0


def reproduce(arguments: list[str]) -> int:
    """Runs a stored run again and compares every metric and the weights; with overrides, varies it.

    usage: wavesweep reproduce RUN [--rtol X] [tracking.KEY=VALUE...] [runtime.KEY=VALUE...]
           wavesweep reproduce RUN [-m] KEY=VALUE...

      wavesweep reproduce 3f9a                      the run whose MLflow id begins so: exit code 0 if all is equal
      wavesweep reproduce outputs/runs/RUN          the run in a directory
      wavesweep reproduce latest --rtol 1e-6        of another machine: metrics may differ by that share
      wavesweep reproduce 3f9a optimizer.lr=1e-3    the same with another rate; what depends on it is derived anew
      wavesweep reproduce 3f9a -m seed=1,2,3        a sweep around it
      wavesweep reproduce config.yaml               a bare configuration is run, and compared with nothing

    A difference is shown from the first epoch on, with what else differs: code, data, versions, machine.
    """
    from wavesweep.cli.again import reproduce as run

    return run(arguments)


def diff(arguments: list[str]) -> int:
    """Shows what differs between two runs: configuration, data, code, versions, machine, and final metrics.

    usage: wavesweep diff RUN RUN [tracking.KEY=VALUE...]

      wavesweep diff 3f9a 71c0                      two runs by the beginnings of their MLflow ids
      wavesweep diff outputs/runs/RUN latest        a directory, and the run begun last
    """
    from wavesweep.cli.again import diff as run

    return run(arguments)


def forecast(arguments: list[str]) -> int:
    """Forecasts with a stored run: its own series beyond their end, or those of a file.

    usage: wavesweep forecast RUN [--data FILE.csv | --origins] [--horizon N] [--output FILE.csv] [KEY=VALUE...]

      wavesweep forecast latest                     all series of the run that was begun last
      wavesweep forecast outputs/runs/RUN --horizon 50
      wavesweep forecast 3f2a --data new.csv        with the run that MLflow knows by an id that begins so
      wavesweep forecast latest --data new.csv --output forecast.csv
      wavesweep forecast latest --origins           all forecasts that the run was tested on, beside what came

    FILE.csv holds a series a column; or one series, its channels by name; or the columns series, step or time, and
    value. Writes CSV (series, step, time, a column a channel) and a picture beside it, without --output below
    outputs/forecasts. KEY is tracking.uri, tracking.experiment, runtime.threads or runtime.device.
    """
    from wavesweep.cli.forecast import run

    return run(arguments)


def sync(arguments: list[str]) -> int:
    """Delivers what the tracking server missed; what is there already stays as it is.

    usage: wavesweep sync [PATH] [tracking.KEY=VALUE...]

      wavesweep sync                                all runs below outputs, each to the store that it was meant for
      wavesweep sync outputs/runs/RUN               one run
      wavesweep sync tracking.uri=http://HOST       to another store

    A run whose process has vanished is marked KILLED; one that runs is left alone.
    """
    from wavesweep.base.errors import Refused
    from wavesweep.base.exit_codes import UNTRACKED
    from wavesweep.base.terminal import say
    from wavesweep.cli.arguments import read_place
    from wavesweep.config.composing import compose
    from wavesweep.tracking.sync import MISSING, deliver_all
    from wavesweep.workspace.index import recorded_below
    from wavesweep.workspace.layout import OUTPUTS

    typed, overrides = read_place("sync", arguments)
    place = Path(typed) if typed else OUTPUTS
    if not place.is_dir():
        raise Refused(f"{place} must be a run's directory, or one that holds runs, but is not there; name another")
    counts = deliver_all(recorded_below(place), compose(*overrides.values()), overrides)
    say(", ".join(f"{count} {state}" for state, count in counts.items()) or "no runs there")
    return UNTRACKED if counts[MISSING] else 0


def ui(arguments: list[str]) -> int:
    """Serves the MLflow UI on the configured store, until Ctrl-C, and prints links to its pages.

    usage: wavesweep ui [RUN | SWEEP] [tracking.KEY=VALUE...] [--no-browser] [OPTION...]

      wavesweep ui                                  on sqlite:///outputs/mlflow.db, or $MLFLOW_TRACKING_URI
      wavesweep ui 3f9a                             opened at the run whose MLflow id begins so
      wavesweep ui latest                           at the run or sweep begun last; a directory or a sweep's id too
      wavesweep ui --port 5001                      where 5000 is taken
      wavesweep ui tracking.uri=sqlite:///my.db     on another store

    A terminal with a display opens the browser, unless --no-browser says otherwise. Where the store is served already,
    as a tracking server is, the links lead there. Options go to `mlflow ui`: --host, --port, --workers and what
    `mlflow ui --help` lists.
    """
    from wavesweep.cli.arguments import read_arguments, split_place
    from wavesweep.config.composing import compose
    from wavesweep.tracking.sync import deliver_vanished
    from wavesweep.ui.opening import find, pages_of
    from wavesweep.ui.places import served_at
    from wavesweep.ui.server import address_for, has_display, serve, show
    from wavesweep.workspace.configurations import read_config

    words, overrides = read_arguments("ui", [text for text in arguments if text != "--no-browser"])
    place, options = split_place("ui", words)
    local = compose(*overrides.values())
    found = find(place) if place else None
    tracking = (read_config(found, local, overrides) if found else local).tracking
    served = served_at(tracking)
    address = served or address_for(options)
    deliver_vanished(local)
    pages = pages_of(found or place, tracking)
    browse = "--no-browser" not in arguments and has_display()
    if served:
        show(served, pages, browse=browse)
        return 0
    return serve(tracking, address, options, pages, browse=browse)


COMMANDS = {command.__name__: command for command in (reproduce, forecast, diff, resume, summary, sync, ui)}
