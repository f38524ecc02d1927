"""Sweeps of any Hydra program: a queue of jobs, from which workers take one after the other."""

from hydra_queue_sweeper.base.errors import Pruned
from hydra_queue_sweeper.sweeps.reports import report

__all__ = ["Pruned", "report"]
