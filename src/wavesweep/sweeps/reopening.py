"""A sweep that goes on from its directory, grown by what is typed."""

from dataclasses import replace

from omegaconf import DictConfig, OmegaConf

from wavesweep.base.errors import Refused, first_of, in_short, shown
from wavesweep.base.overrides import key_of
from wavesweep.base.terminal import log
from wavesweep.search.growth import grow
from wavesweep.search.plan import Plan
from wavesweep.sweeps.composition import OBJECTIONS, Composer, by_hydra, from_files
from wavesweep.sweeps.planning import Prepared, Sweep, new_choices, of_workers, split, warn_of_ignored
from wavesweep.sweeps.stored_configs import check_subdir


def reopen(sweep: Sweep, plan: Plan, arguments: list[str]) -> Prepared:
    """Return a sweep to go on with, grown by what is typed; what it has need not be typed again. Nothing is written.

    Args:
        sweep: Which.
        plan: Its own.
        arguments: The overrides of the command line, less Hydra's own.

    Raises:
        Refused: If it can't grow by what is typed, code or data are not what it began on, or it can't be run here.
    """
    directory = sweep.directory
    typed = _typed_keys(sweep)
    trials = directory.read_trials(plan)
    directory.check_plain(trial.directory for trial in trials if trial.directory)
    check_subdir(plan.subdir)
    dimensions, local = split(sweep, arguments)
    stored = Prepared(plan, from_files(directory, plan, sweep.config, sweep.task.local), of_workers(dimensions, local))
    configs = _stored_configs(sweep, stored)
    _refuse_other_search(sweep, plan, typed)
    seed = OmegaConf.select(configs[0], "seed")
    own_seed = "" if seed is None else str(seed)
    n_trials = sweep.options.n_trials if "n_trials" in typed else None
    grown = grow(plan, trials, dimensions, own_seed, n_trials=n_trials, top=sweep.options.top)
    if "target" in typed:
        grown = replace(grown, target=sweep.options.target)
    if grown.parts != plan.parts and grown.reached(trials):
        raise Refused(f"hydra.sweeper.target={grown.target} is reached; add a lower one, or hydra.sweeper.target=null")
    composer = _with_new_options(sweep, grown, stored.composer, local)
    _refuse_changed(sweep, plan, sweep.task.fingerprint(configs))
    warn_of_ignored(plan, sweep.typed)
    if "enqueue" in typed:
        log.warning("hydra.sweeper.enqueue has no effect: only a new sweep begins with given configurations")
    return Prepared(grown, composer, stored.worker)


def _typed_keys(sweep: Sweep) -> set[str]:
    """Return the keys of the sweeper that were typed."""
    keys = [key_of(text) for text in sweep.typed]
    return {key.removeprefix("hydra.sweeper.") for key in keys if key.startswith("hydra.sweeper.")}


def _stored_configs(sweep: Sweep, stored: Prepared) -> list[DictConfig]:
    """Return the configuration of a job with each choice of groups, or raise Refused if what is stored makes none."""
    where = sweep.directory.configs
    try:
        configs = stored.configs()
    except OBJECTIONS as error:
        raise Refused(f"{where} is damaged ({in_short(error)}); restore it") from None
    try:
        sweep.task.check(configs[0])
    except Refused as error:
        raise Refused(f"{where}: {first_of(error)}") from None
    return configs


def _refuse_other_search(sweep: Sweep, plan: Plan, typed: set[str]) -> None:
    """Refuse another pruner, sampler or seed than the sweep began with."""
    for key in typed & {"pruner", "sampler", "seed"}:
        before, now = getattr(plan, key), getattr(sweep.options, key)
        if before != now:
            raise Refused(f"hydra.sweeper.{key} must stay {shown(before)}, got {shown(now)}; leave it out")


def _with_new_options(sweep: Sweep, grown: Plan, stored: Composer, local: list[str]) -> Composer:
    """Return what composes a sweep that has grown, by Hydra where options of groups are new."""
    new = new_choices(grown, stored)
    if not new:
        return stored
    if not sweep.task.can_add_options(grown, sweep.config.hydra.job.config_name):
        raise Refused(f"{' '.join(new[0])}: a sweep around a stored run takes no further options; start a new one")
    fresh = by_hydra(sweep.config, sweep.context.config_loader, local)
    return Composer(set(grown.groups), lambda choice: fresh(choice) if choice in new else stored.load(choice))


def _refuse_changed(sweep: Sweep, plan: Plan, now: dict[str, str]) -> None:
    """Refuse to go on with a sweep on other code or data than it began on, unless that is forced."""
    changed = [f"{key} was {then}, is {now.get(key)}" for key, then in plan.fingerprint.items() if now.get(key) != then]
    if changed and sweep.options.resume != "force":
        raise Refused(
            f"{sweep.directory.path} was begun otherwise: {'; '.join(changed)}; undo that, or start a new sweep "
            f"({sweep.task.resume_command(sweep.directory.path, force=True)} goes on all the same)"
        )
