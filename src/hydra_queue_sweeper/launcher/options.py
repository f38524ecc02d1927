"""The keys of `hydra.launcher`: in a file that Hydra does not execute by itself, or they could not be pickled."""

from dataclasses import dataclass


@dataclass
class LauncherOptions:
    """The launcher's parameters.

    Attributes:
        n_jobs: Most processes at once; none: one for each core that this process may use.
    """

    _target_: str = "hydra_plugins.hydra_queue_sweeper.launcher.ProcessLauncher"
    n_jobs: int | None = None
