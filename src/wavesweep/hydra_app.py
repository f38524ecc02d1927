"""All of the command line that Hydra understands."""

import os
import sys
from contextlib import nullcontext
from functools import cached_property
from typing import TYPE_CHECKING

from wavesweep.exit_codes import SEVERITY
from wavesweep.interrupts import check
from wavesweep.refusals import Refused

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from wavesweep.hydra_task import Experiments


class Task:
    """What Hydra calls: `Experiments`, which is imported only then.

    Attributes:
        codes: The exit codes of what this process ran and did not end well.
    """

    def __init__(self) -> None:
        self.codes: list[int] = []

    @cached_property
    def in_sweeps(self) -> "Experiments":
        """What our sweeper calls."""
        from wavesweep.hydra_task import Experiments

        return Experiments(self.codes)

    def __call__(self, composed: "DictConfig") -> float:
        """Run one job; return its objective."""
        return self.in_sweeps(composed)


def run_hydra(arguments: list[str]) -> int:
    """Run a command line of Hydra's; return the exit code."""
    sys.argv[1:] = arguments  # where Hydra looks
    traceback_wanted = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, instead of printing and exiting with 1
    import hydra

    from wavesweep.compose import check_kinds, hide_password, hiding_passwords, read_flags, refuse
    from wavesweep.groups import conf_dir
    from wavesweep.hydra_errors import explain

    task = Task()
    try:
        flags = read_flags(sys.argv[1:])
        check_kinds(flags.overrides)
        hide_password(sys.argv)
        with hiding_passwords() if flags.resolve else nullcontext():
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(task)()
    except Refused as error:
        return refuse(str(error))
    except Exception as error:  # of composing, since jobs catch their own
        if traceback_wanted or isinstance(error, MemoryError):
            raise
        return refuse(explain(error, sys.argv[1:]))
    check()  # a signal may have ended a sweep
    return min(task.codes, key=SEVERITY.index, default=0)
