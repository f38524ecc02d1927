"""The trials of a sweep, and the configurations that they replicate: trials that differ in their seed alone."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from hydra_queue_sweeper.search.seeds import is_seed
from hydra_queue_sweeper.search.space import Dimension

State = Literal["waiting", "running", "interrupted", "finished", "diverged", "pruned", "failed"]
ENDED = ("finished", "diverged", "pruned", "failed")
GIVEN_UP = ("pruned", "diverged")  # with the configuration, where a pruner is at work
Configuration = tuple[str, ...]
"""Overrides, less that of the seed."""


@dataclass(frozen=True)
class Trial:
    """One job of a sweep, however often it is interrupted or tried again.

    Attributes:
        number: From 0.
        overrides: That make its configuration.
        state: How it stands; one whose worker is gone counts as running until another worker looks.
        objective: What the job returned, lower is better; None unless it has finished.
        reason: Why it failed, or was pruned before it began, in one line.
        directory: Of its run, as seen from the sweep's; empty before it began.
        steps: How many it does in all, as it has reported; 0 before.
        began: When it was last taken up, in seconds since 1970; 0 before.
        seconds: Spent on it, interrupted attempts included.
        launch: The start of the sweep that ran it last.
        deaths: How many workers died while they held it.
        identity: Of its configuration as composed, less the seed; empty before it began.
        own_seed: The seed as composed.
        further: The dimensions that its configuration has beside the plan's, by the program's `custom_search_space`.
        stopped: When its worker was last done with it, in seconds since 1970; 0 before.
        attempt: How often it was taken up; who has taken it up earlier writes its record no more.
    """

    number: int
    overrides: list[str]
    state: State = "waiting"
    objective: Annotated[float, Field(allow_inf_nan=False)] | None = None
    reason: str = ""
    directory: str = ""
    steps: int = 0
    began: float = 0.0
    seconds: float = 0.0
    launch: str = ""
    deaths: int = 0
    identity: str = ""
    own_seed: str = ""
    further: list[Dimension] = field(default_factory=list)
    stopped: float = 0.0
    attempt: int = 0

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")

    @property
    def ended(self) -> bool:
        """Whether no worker needs to look at it any more."""
        return self.state in ENDED

    @property
    def configuration(self) -> Configuration:
        """Its overrides but that of the seed, which its replicates share."""
        return tuple(text for text in self.overrides if not is_seed(text))

    @property
    def seed(self) -> str:
        """Its seed as it is written in overrides; empty where that is not overridden."""
        return next((text.partition("=")[2] for text in self.overrides if is_seed(text)), "")


def replicates(trials: Iterable[Trial]) -> list[list[Trial]]:
    """Return trials in groups that share their configuration, in the order of their first; of each seed one.

    What was proposed twice makes two groups, each a trial of Optuna's: a sampler that were told of one alone would
    stand where it stood, and propose the same for ever.
    """
    groups: dict[tuple[Configuration, int], list[Trial]] = {}
    times: Counter[tuple[Configuration, str]] = Counter()
    for trial in trials:
        shared, seed = trial.configuration, trial.seed
        groups.setdefault((shared, times[shared, seed]), []).append(trial)
        times[shared, seed] += 1
    return list(groups.values())
