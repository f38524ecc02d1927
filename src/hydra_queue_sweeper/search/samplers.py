"""The samplers of Optuna's that a sweep can choose, by name; Optuna is imported once one is made."""

from typing import TYPE_CHECKING, Any

from hydra_queue_sweeper.base.errors import Refused, shown, suggestion

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

CLASSES = {"tpe": "TPESampler", "random": "RandomSampler", "qmc": "QMCSampler", "cmaes": "CmaEsSampler"}
"""The samplers by name, each with the name of its class.

Tree-structured Parzen estimators: Bergstra et al. (2011). One scrambled Sobol sequence for all proposals: Owen (1998).
Evolution with an adapted covariance: Hansen & Ostermeier (2001).
"""

SAMPLERS = tuple(CLASSES)
STEPWISE = ("qmc", "cmaes")
"""The samplers that count or learn each time that they are asked."""

DEFAULTS = {
    "qmc": {"scramble": True, "warn_independent_sampling": False},
    "cmaes": {"warn_independent_sampling": False},
}
Settings = dict[str, bool | int | float | str]
"""What a sampler is made with, by the names of its class's parameters; its seed is none of them."""


def read_sampler(given: Any) -> tuple[str, Settings, int | None]:
    """Return the name, the settings and the seed of a sampler as it is configured.

    Args:
        given: A name, or keys and values: `_target_`, whose last part is the name of a class of Optuna's, or `name`;
            `seed`; settings. What is null counts as left out.

    Raises:
        Refused: If there is no such sampler, or it has no such setting.
    """
    values: dict[str, Any] = {"name": given}
    if not isinstance(given, str):
        values = {key: one for key, one in given.items() if one is not None}
    named = str(values.pop("_target_", values.pop("name", "")))
    by_class = {one: name for name, one in CLASSES.items()}
    name = by_class.get(named.rpartition(".")[2], named)
    if name not in CLASSES:
        raise Refused(f"hydra.sweeper.sampler={named} is not there; {suggestion(named, SAMPLERS)}")
    seed = values.pop("seed", None)
    if seed is not None and not isinstance(seed, int):
        raise Refused(f"hydra.sweeper.sampler.seed must be a whole number, got {shown(seed)}")
    if values:
        _check_settings(name, values)
    return name, values, seed


def _check_settings(name: str, settings: Settings) -> None:
    from inspect import signature

    import optuna

    known = signature(getattr(optuna.samplers, CLASSES[name])).parameters
    for key, value in settings.items():
        if key not in known:
            raise Refused(f"hydra.sweeper.sampler.{key} is no setting of {name}; {suggestion(key, known)}")
        if not isinstance(value, bool | int | float | str):
            raise Refused(f"hydra.sweeper.sampler.{key} must be a single value, got {shown(value)}; leave it out")


def make_sampler(name: str, seed: int, number: int, settings: Settings) -> "BaseSampler":
    """Make what proposes a configuration: seeded by its number, so that it does not matter which process does it.

    Args:
        name: One of `SAMPLERS`.
        seed: Of the sweep.
        number: Of the proposal.
        settings: That it is made with.
    """
    import optuna

    own_seed = seed if name == "qmc" else seed * 1_000_003 + number
    return getattr(optuna.samplers, CLASSES[name])(**{**DEFAULTS.get(name, {}), **settings, "seed": own_seed})
