"""Going on with a sweep that stands on disk, and growing it."""

from dataclasses import replace

from omegaconf import DictConfig, OmegaConf

from wavesweep.base.errors import Refused, first_of, in_short
from wavesweep.base.terminal import log
from wavesweep.search.growth import grow
from wavesweep.search.plan import Plan
from wavesweep.sweeps.composition import OBJECTIONS, Composer, by_hydra, check_subdir, from_files
from wavesweep.sweeps.planning import Prepared, Sweep, choices, of_workers, split, warn_of_ignored


def reopen(sweep: Sweep, plan: Plan, arguments: list[str]) -> Prepared:
    """Return a sweep to go on with, grown by what is typed; what it has need not be typed again. Nothing is written.

    Args:
        sweep: Which.
        plan: Its own.
        arguments: The overrides of the command line, less Hydra's own.

    Raises:
        Refused: If it can't grow by what is typed, code or data are not what it began on, or it can't be run here.
    """
    directory, trials = sweep.directory, sweep.directory.read_trials(plan)
    directory.check_plain(trial.directory for trial in trials if trial.directory)
    check_subdir(plan)
    dimensions, local = split(sweep, arguments)
    stored = from_files(directory, plan, sweep.config, sweep.task.local)
    config = _check_first(sweep, Prepared(plan, stored, [], []))
    options, typed = sweep.options, _typed(sweep)
    for key in ("pruner", "sampler", "seed"):
        if key in typed and getattr(options, key) != getattr(plan, key):
            before, now = ("null" if value is None else value for value in (getattr(plan, key), getattr(options, key)))
            raise Refused(f"hydra.sweeper.{key} must stay {before}, got {now}; leave it out")
    if "enqueue" in typed:
        log.warning("hydra.sweeper.enqueue has no effect: only a new sweep begins with given configurations")
    own_seed, n_trials = OmegaConf.select(config, "seed"), options.n_trials if "n_trials" in typed else None
    own_seed = "" if own_seed is None else str(own_seed)
    grown = grow(plan, trials, dimensions, own_seed, n_trials=n_trials, top=options.top)
    if "target" in typed:
        grown = replace(grown, target=options.target)
    if grown.parts != plan.parts and grown.reached(trials):
        raise Refused(f"hydra.sweeper.target={grown.target} is reached; add a lower one, or hydra.sweeper.target=null")
    warn_of_ignored(plan, list(sweep.config.hydra.overrides.hydra))
    composer, new = stored, choices(grown, stored)
    if new:
        if not sweep.task.can_add_options(plan, sweep.config.hydra.job.config_name):
            raise Refused(f"{' '.join(new[0])}: a sweep around a stored run takes no further options; start a new one")
        fresh = by_hydra(sweep.config, sweep.context.config_loader, local)
        composer = Composer(set(plan.groups), lambda choice: (fresh if choice in new else stored.load)(choice))
    return Prepared(grown, composer, of_workers(dimensions, local), new)


def _check_first(sweep: Sweep, prepared: Prepared) -> DictConfig:
    """Return the configuration of a job, or raise Refused if what is stored makes none."""
    where = sweep.directory.configs
    try:
        config = prepared.configs()[0]
    except OBJECTIONS as error:
        raise Refused(f"{where} is damaged ({in_short(error)}); restore it") from None
    try:
        sweep.task.check(config)
    except Refused as error:
        raise Refused(f"{where}: {first_of(error)}") from None
    return config


def _typed(sweep: Sweep) -> set[str]:
    """Return the keys of the sweeper that were typed."""
    texts = sweep.config.hydra.overrides.hydra
    return {text.partition("=")[0].rpartition(".")[2] for text in texts if text.startswith("hydra.sweeper.")}


def refuse_changed(sweep: Sweep, plan: Plan, now: dict[str, str]) -> None:
    """Refuse to go on with a sweep on other code or data than it began on, unless that is forced."""
    changed = [f"{key} was {then}, is {now.get(key)}" for key, then in plan.fingerprint.items() if now.get(key) != then]
    if changed and sweep.options.resume != "force":
        raise Refused(
            f"{sweep.directory.path} was begun otherwise: {'; '.join(changed)}; undo that, or start a new sweep "
            f"({sweep.task.resume_command(sweep.directory.path, force=True)} goes on all the same)"
        )
