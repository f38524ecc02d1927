"""A sweep as a study of Optuna's, for its dashboard and its pictures."""

from datetime import datetime

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.space import Dimension, but_seed, plain
from hydra_queue_sweeper.search.suggestions import distribution
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.reports import read_reports
from hydra_queue_sweeper.sweeps.store import SweepDirectory

STATES = {
    "waiting": TrialState.WAITING,
    "running": TrialState.RUNNING,
    "interrupted": TrialState.RUNNING,
    "finished": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "diverged": TrialState.FAIL,
    "failed": TrialState.FAIL,
}


def export(sweep: SweepDirectory, to: str, name: str) -> int:
    """Write a sweep as a new study; return the number of its trials.

    Args:
        sweep: Which; one that runs is written as it stands.
        to: The address of a database, or a file for a journal.
        name: Of the study.

    Raises:
        Refused: If there is such a study, or it can't be written.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plan = sweep.read_plan()
    trials = [_as_optuna_s(trial, plan, sweep) for trial in sweep.read_trials(plan)]
    try:
        study = optuna.create_study(storage=_storage(to), study_name=name, direction=plan.direction)
        study.add_trials(trials)
    except optuna.exceptions.DuplicatedStudyError:
        raise Refused(f"{to} has a study {name} already; give another file, or --name") from None
    except OSError:
        raise
    except Exception as error:  # of a database, which may be any
        reason = str(error).partition("\n")[0]
        raise Refused(f"{to} can't be written ({reason}); give a file, or sqlite:///FILE") from None
    return len(trials)


def _storage(to: str) -> str | BaseStorage:
    return to if "://" in to else JournalStorage(JournalFileBackend(to))


def _as_optuna_s(trial: Trial, plan: Plan, sweep: SweepDirectory) -> FrozenTrial:
    """Return a trial as Optuna's: what is swept are its parameters, the seed is one of its attributes."""
    texts = dict(text.split("=", 1) for text in trial.overrides)
    swept = [*(one for one in but_seed(plan.dimensions) if one.swept), *trial.further]
    state = STATES[trial.state]
    if state == TrialState.COMPLETE and trial.objective is None:
        state = TrialState.FAIL  # Optuna knows no other trial without a value
    reports = read_reports(sweep.path / trial.directory) if trial.directory else {}
    began = datetime.fromtimestamp(trial.began) if trial.began else None
    told = {"seed": trial.own_seed or trial.seed, "directory": trial.directory, "reason": trial.reason}
    attributes = {"number": trial.number} | {key: text for key, text in told.items() if text}
    made = create_trial(
        state=state,
        value=None if trial.objective is None else plan.as_returned(trial.objective),
        params={one.name: plain(texts[one.key]) for one in swept},
        distributions={one.name: _distribution(one) for one in swept},
        intermediate_values={step: plan.as_returned(value) for step, value in reports.items()},
        user_attrs=attributes,
    )
    if state != TrialState.WAITING:
        made.datetime_start = began
    if trial.ended and began:
        made.datetime_complete = datetime.fromtimestamp(max(trial.stopped, trial.began))
    return made


def _distribution(dimension: Dimension) -> BaseDistribution:
    """Return how Optuna shows a dimension: of a list, its values themselves."""
    if dimension.interval is None:
        return CategoricalDistribution([*map(plain, dimension.values)])
    return distribution(dimension)
