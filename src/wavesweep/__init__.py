"""Hydra-configured experiment sweeper for forecasting time series with LSTMs.

What stands in `__all__` is for notebooks and scripts; docs/python.md shows it at work. Each name is imported when it is
first asked for, so that `import wavesweep` itself takes no time.
"""

TYPE_CHECKING = False  # type checkers take it for true; importing `typing` would take longer than all else here

__all__ = [
    "Advanced",
    "Config",
    "Drawable",
    "Finished",
    "Interrupted",
    "Kept",
    "Phase",
    "Pruned",
    "Recorded",
    "Refused",
    "Reproduction",
    "Run",
    "Started",
    "Sweep",
    "compose",
    "iterate",
    "load_data",
    "open_run",
    "open_sweep",
    "report",
    "run",
    "sweep",
]

_PLACES = {
    **dict.fromkeys(
        ("Reproduction", "Run", "Sweep", "iterate", "open_run", "open_sweep", "run", "sweep"), "wavesweep.api"
    ),
    **dict.fromkeys(
        ("Advanced", "Drawable", "Finished", "Kept", "Phase", "Recorded", "Started"), "wavesweep.experiment.events"
    ),
    **dict.fromkeys(("Pruned", "Refused"), "hydra_queue_sweeper.base.errors"),
    "Config": "wavesweep.config.config",
    "Interrupted": "hydra_queue_sweeper.base.signals",
    "compose": "wavesweep.config.composing",
    "load_data": "wavesweep.experiment.preparation",
    "report": "hydra_queue_sweeper.sweeps.reports",
}

if TYPE_CHECKING:
    __version__: str

    from hydra_queue_sweeper.base.errors import Pruned, Refused
    from hydra_queue_sweeper.base.signals import Interrupted
    from hydra_queue_sweeper.sweeps.reports import report
    from wavesweep.api import Reproduction, Run, Sweep, iterate, open_run, open_sweep, run, sweep
    from wavesweep.config.composing import compose
    from wavesweep.config.config import Config
    from wavesweep.experiment.events import Advanced, Drawable, Finished, Kept, Phase, Recorded, Started
    from wavesweep.experiment.preparation import load_data
else:

    def __getattr__(name: str) -> object:
        """Import a public name when it is first asked for (PEP 562)."""
        if name == "__version__":
            from importlib.metadata import version

            return version(__name__)
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
        from importlib import import_module

        value = globals()[name] = getattr(import_module(_PLACES[name]), name)
        return value

    def __dir__() -> list[str]:
        """List the public names, whether they have been imported or not."""
        return sorted({*globals(), *__all__})
