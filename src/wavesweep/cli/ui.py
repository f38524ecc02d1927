"""`wavesweep ui`: MLflow's UI on the configured store."""

from wavesweep.cli.arguments import read_arguments, split_place
from wavesweep.config.composing import compose
from wavesweep.tracking.sync import deliver_vanished
from wavesweep.ui.opening import find, pages_of
from wavesweep.ui.places import served_at
from wavesweep.ui.server import address_for, has_display, serve, show
from wavesweep.workspace.configurations import read_config


def run(arguments: list[str]) -> int:
    """Serve the UI until Ctrl-C, or show the links to one that is served already; return the exit code."""
    words, overrides = read_arguments("ui", [text for text in arguments if text != "--no-browser"])
    place, options = split_place("ui", words)
    local = compose(*overrides.values())
    found = find(place) if place else None
    config = read_config(found, local, overrides) if found else local
    served = served_at(config.tracking)
    address = served or address_for(options)
    deliver_vanished(local)
    pages = pages_of(found or place, config.tracking)
    browse = "--no-browser" not in arguments and has_display()
    if served:
        show(served, pages, browse=browse)
        return 0
    return serve(config.tracking, address, options, pages, browse=browse)
