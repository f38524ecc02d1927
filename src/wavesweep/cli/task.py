"""The task functions that Hydra calls: a single run, a job of a sweep, and a sweep's start and end."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shlex import quote
from traceback import clear_frames
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from hydra_queue_sweeper.base.errors import Pruned, Refused, in_one_line, relative, shown
from hydra_queue_sweeper.base.files import check_plain
from hydra_queue_sweeper.base.keys import is_below
from hydra_queue_sweeper.base.overrides import key_of
from hydra_queue_sweeper.base.terminal import say
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.seeds import is_seed
from hydra_queue_sweeper.search.space import Dimension, varied
from hydra_queue_sweeper.sweeps.reports import report
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from hydra_queue_sweeper.sweeps.task import SweepTask
from wavesweep.base.exit_codes import FAILED
from wavesweep.base.streams import LOG, log
from wavesweep.cli.arguments import refuse
from wavesweep.cli.progress import fail, show
from wavesweep.config.composing import STORED, typed
from wavesweep.config.config import Config
from wavesweep.config.device import find_device
from wavesweep.config.hydra_objections import explain
from wavesweep.config.overrides import overrides_of
from wavesweep.config.references import strange_resolvers
from wavesweep.config.replicates import config_hash
from wavesweep.config.resolve import outline, without_effect
from wavesweep.config.tag_names import BASED_ON
from wavesweep.evaluation.metric_names import log10, watched
from wavesweep.experiment.description import origin_name, run_name
from wavesweep.experiment.preparation import Prepared, known_of, prepare, shape_of
from wavesweep.files.copies import give_copy_to
from wavesweep.leaderboard.conclusion import announce, conclude, has_ended, show_again
from wavesweep.runs import fingerprints
from wavesweep.runs.drawer_handle import Drawer
from wavesweep.runs.execute import continue_or_execute, execute, warm_up
from wavesweep.tracking.follower_handle import Follower
from wavesweep.ui.links import sweep_ending
from wavesweep.workspace.directory import RunDirectory, SweepRecord
from wavesweep.workspace.info import RunInfo
from wavesweep.workspace.places import check_free

if TYPE_CHECKING:
    from wavesweep.experiment.events import Event


class Experiments(SweepTask):
    """Trains, forecasts and tracks.

    Args:
        codes: Takes the exit codes of what does not end well.
        based_on: The run that is varied, if one is.
        base: Its configuration as it was composed.
    """

    local = ("tracking",)
    wants_returns = False
    is_quiet = True
    beginning = "starting workers: they import torch"
    step = "epoch"

    def __init__(self, codes: list[int], based_on: str, base: Config | None = None) -> None:
        self.codes, self.base = codes, base
        self.tags = {BASED_ON: based_on} if based_on else {}
        self.drawer: Drawer | None = None  # of all jobs of this process
        self.follower: Follower | None = None  # of a sweep, or of the jobs that another sweeper than ours starts here

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels to workers."""
        return vars(self) | {"follower": None, "drawer": None}

    def __call__(self, composed: DictConfig) -> float:
        """Run one job; return the objective, for sweepers: nan where the job diverged."""
        directory = RunDirectory(Path(HydraConfig.get().runtime.output_dir))
        written = typed(composed)
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            return self._run_trial(written, directory)
        check_free(directory.path, LOG)
        follower = Follower(written.tracking)
        return self.run_alone(composed, prepare(written, follower.require), follower)

    def run_alone(self, composed: DictConfig, prepared: Prepared, follower: Follower) -> float:
        """Run a single run that was prepared, with its progress shown; return nothing that a sweeper could use."""
        directory = RunDirectory(Path(HydraConfig.get().runtime.output_dir))
        with follower:
            self.codes += filter(None, [_run_alone(typed(composed), prepared, directory, self.tags, follower)])
        return math.nan

    def _run_trial(self, written: Config, directory: RunDirectory) -> float:
        """Run a job of a sweep, or go on with it; return the objective.

        Raises:
            Pruned, Interrupted: As `continue_or_execute` does.
            Exception: Whatever ended it; its traceback is in the run's own log.
        """
        sweep = SweepRecord(Path(HydraConfig.get().sweep.dir))
        is_ours = sweep.exists()  # another sweeper records nothing, and delivers nothing
        tags = sweep.read_info().tags if is_ours else {}
        if is_ours:
            follower = Follower(written.tracking.model_copy(update={"followers": ()}))
        else:
            if self.follower is None or self.follower.tracking != written.tracking:
                self.end()
                self.follower = Follower(written.tracking)
            follower = self.follower
        try:
            prepared = prepare(written)
            if is_ours and (file := prepared.config.dataset.file):
                give_copy_to(sweep.data, *file)
            shared = {BASED_ON: tags[BASED_ON]} if BASED_ON in tags else {}
            info = _describe(written, prepared, shared)
            self.drawer = self.drawer or Drawer()
            reporter = Reporter(written.objective)
            return continue_or_execute(prepared, directory, info, follower, [reporter], self.drawer)
        except (Refused, Pruned):
            raise
        except Exception as error:
            log.getChild("traceback").error("the job failed", exc_info=error)
            clear_frames(error.__traceback__)  # which hold what the job had in memory
            raise

    def end(self) -> None:
        """End what delivers, if that was not done."""
        if self.follower:
            self.follower.end()

    def warm_up(self) -> None:
        """Import what computes."""
        self.drawer = Drawer(may_lag=True)
        self.drawer.start()
        warm_up()

    def cool_down(self) -> None:
        """Wait for the last pictures."""
        if self.drawer:
            self.drawer.wait()

    def check(self, config: DictConfig) -> None:
        """Parse a job's configuration, and derive what it leaves open."""
        written = typed(config)
        outline(written)
        if written.runtime.device != "auto":
            find_device(written.runtime.device)

    def check_place(self, place: Path) -> None:
        """Make sure that a new sweep lies in no other's way."""
        check_free(place)
        _warn_of_another_engine()

    def check_directory(self, directory: Path) -> None:
        """Make sure that all in it is files and folders: it may come from anyone."""
        check_plain(directory, [""])

    def explain(self, error: Exception, overrides: list[str]) -> str:
        """Say in our words what Hydra objects to."""
        return explain(error, overrides)

    def fingerprint(self, configs: list[DictConfig]) -> dict[str, str]:
        """Return digests of the code and of the data that each choice of groups begins with."""
        parsed = [typed(config) for config in configs]
        self.follower = self.follower or Follower(parsed[0].tracking)
        self.follower.require()
        return {"code": fingerprints.code(), "data": fingerprints.data(parsed)}

    def identity(self, config: DictConfig) -> str:
        """Return the hash that replicates share."""
        return config_hash(typed(config))

    def check_plan(self, plan: Plan) -> None:
        """Refuse overrides that look elsewhere: a sweep may come from anyone, and be resumed anywhere.

        And an objective that isn't what a run returns.
        """
        if plan.direction == "maximize" or plan.objective is not None:
            key = "direction=maximize" if plan.objective is None else f"objective={plan.objective}"
            raise Refused(f"hydra.sweeper.{key}: runs return the error that objective names; leave it out")
        if plan.custom_search_space:
            text = "hydra.sweeper.custom_search_space would run code of the sweep's"
            raise Refused(f"{text}; write lists and intervals into hydra.sweeper.params")
        for one in plan.dimensions:
            for value in one.values or ("",):
                text = f"{one.key}={value}"
                if strange_resolvers(text) or "_target_" in text:
                    bare = text.replace("\\", "")
                    raise Refused(f"{bare}: a sweep may be resumed elsewhere; write the value itself")
            if one.name.startswith(("hydra.", "hydra/")):
                raise Refused(f"{one.name}: a job can't change how Hydra runs it; leave hydra out")
        if strange := strange_resolvers(plan.subdir) - {"now"}:
            raise Refused(f"hydra.sweep.subdir must not call {shown(strange.pop())}: a sweep may be resumed elsewhere")

    def write_report(self, directory: Path, step: int, objective: float) -> None:
        """Do nothing: a run's records hold what it reports."""

    def read_reports(self, directory: Path) -> dict[int, float]:
        """Return the objective at each recorded epoch."""
        return RunDirectory(directory).read_objectives()

    def resume_command(self, directory: Path, *, force: bool = False) -> str:
        """Return the command that goes on with a sweep."""
        command = f"wavesweep resume {quote(str(relative(directory)))}"
        return f"{command} --force" if force else command

    @contextmanager
    def prepare_and_conclude(self, sweep: SweepDirectory, plan: Plan, config: DictConfig) -> Iterator[None]:
        """Let MLflow know the sweep, and how it goes on; show the leaderboard at its end."""
        local = typed(config)
        goes_on = not has_ended(sweep, plan)
        with self.follower or Follower(local.tracking) as follower:
            recorder = announce(sweep, plan, local, self.tags, self.base) if goes_on else nullcontext()
            follower.follow(sweep.path)
            try:
                with recorder:
                    yield
            finally:
                try:
                    codes, delivered = conclude(sweep, plan, follower) if goes_on else show_again(sweep, follower)
                    self.codes += codes
                    if ids := delivered.ids.get("mlflow"):
                        say(sweep_ending(local.tracking, ids[0], ids[1], sweep.id, relative(sweep.path)))
                except Exception as error:  # such as a full disk: the jobs' results are where they are
                    again = self.resume_command(sweep.path)
                    log.error("the sweep's end can't be recorded: %s", in_one_line(error, again))
                    self.codes.append(FAILED)


def _warn_of_another_engine() -> None:
    """Say so where the engine is installed by itself too: whichever was installed last is the one that runs."""
    with suppress(PackageNotFoundError):
        there = version("hydra-queue-sweeper")
        way_out = "uninstall both, then install one"
        log.warning("hydra-queue-sweeper %s is installed beside wavesweep, which brings its own; %s", there, way_out)


def _run_alone(
    written: Config, prepared: Prepared, directory: RunDirectory, tags: dict[str, str], follower: Follower
) -> int:
    """Run a single run with its progress shown; return the exit code."""
    try:
        info = _describe(written, prepared, tags)
        log.info("writing to %s", relative(directory.path))
        return show(prepared.config, directory, partial(execute, prepared, directory, info, follower))
    except Refused as error:
        return refuse(str(error))
    except Exception as error:
        return fail(error, directory)


@dataclass(frozen=True)
class Reporter:
    """Reports a run's objective to its sweep, which may give it up.

    Attributes:
        objective: The name of the metric.
    """

    objective: str

    def on(self, event: "Event") -> None:
        """See `Observer.on`."""
        from wavesweep.experiment.events import Recorded

        if isinstance(event, Recorded):
            report(event.epoch, event.metrics[watched(self.objective, event.metrics)], event.epochs)


def _describe(composed: Config, prepared: Prepared, tags: dict[str, str]) -> RunInfo:
    """Return what is known of a job of Hydra's before it starts; say what was decided, and what has no effect."""
    job, division = HydraConfig.get(), prepared.data.division
    shape = "" if division.forecasts_once else shape_of(prepared)
    for line in filter(None, (division.source.summary, shape, known_of(prepared), prepared.decided)):
        log.info(line)
    overrides = [text for text in job.overrides.task if not key_of(text).startswith("tracking")]
    for warning in _ignored(without_effect(prepared.config, division), overrides):
        log.warning(warning)
    choices = {
        group: str(option)
        for group, option in job.runtime.choices.items()
        if option and not re.search("hydra|@", group)
    }
    if STORED in choices.values():  # which tells nobody anything
        choices = {**choices, **overrides_of(composed)[1]}
    if job.mode != RunMode.MULTIRUN:
        name = run_name(overrides, choices, origin_name(tags.get(BASED_ON, "")))
        return RunInfo(overrides, choices, None, name, tags=tags)
    sweep = SweepDirectory(Path(job.sweep.dir))
    dimensions = sweep.read_plan().dimensions if sweep.plan.exists() else []  # another sweeper than ours has no plan
    swept = [one for one in dimensions if one.swept]
    keys = tuple(f"{one.key}=" for one in swept)
    differing = [text for text in overrides if text.startswith(keys) or is_seed(text)] or overrides
    ordered = sorted(overrides, key=lambda text: text not in differing)
    name = run_name(differing, choices, job.job.num)
    return RunInfo(ordered, choices, sweep.id, name, tags=tags, params=_logarithms(swept, overrides))


def _logarithms(swept: list[Dimension], overrides: list[str]) -> dict[str, str]:
    """Return the logarithms of what is best drawn along a logarithmic axis, which MLflow does not have."""
    values = varied([one for one in swept if one.kind == "log"], [text for text in overrides if "=" in text])
    return {log10(key): f"{math.log10(value):.4g}" for key, value in values.items() if not isinstance(value, str)}


def _ignored(reasons: dict[str, str], overrides: list[str]) -> list[str]:
    """Return a warning for each override that has no effect."""
    keys = {override: key_of(override).rpartition("@")[2] for override in overrides}
    return [
        f"{override} has no effect: {reason}"
        for override, key in keys.items()
        for ignored, reason in reasons.items()
        if is_below(key, [ignored])
    ]
