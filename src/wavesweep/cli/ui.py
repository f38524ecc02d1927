"""`wavesweep ui`: MLflow's UI on the configured store."""

import sys

from wavesweep.cli.arguments import read_arguments
from wavesweep.config.composing import compose
from wavesweep.delivery.sync import deliver_vanished
from wavesweep.ui.opening import pages_of
from wavesweep.ui.places import served_at
from wavesweep.ui.server import address_for, serve, show
from wavesweep.workspace.configurations import read_config
from wavesweep.workspace.index import find


def run(arguments: list[str]) -> int:
    """Serve the UI until Ctrl-C, or show the links to one that is served already; return the exit code."""
    options, overrides = read_arguments("ui", [text for text in arguments if text != "--no-browser"])
    place = None
    if options and not options[0].startswith("-"):
        place = options.pop(0)
    local = compose(*overrides.values())
    found = find(place, "run or sweep") if place else None
    config = read_config(found, local, overrides) if found else local
    served = served_at(config.tracking)
    address = served or address_for(options)
    deliver_vanished(local)
    pages = pages_of(found or place, config.tracking)
    browse = "--no-browser" not in arguments and sys.stdout.isatty()
    if served:
        show(served, pages, browse=browse)
        return 0
    return serve(config.tracking, address, options, pages, browse=browse)
