"""`wavesweep work`: one worker more of a sweep that others run."""

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.cli.arguments import LOCAL, Flags, read_place
from wavesweep.cli.resume import go_on
from wavesweep.config.composing import compose
from wavesweep.workspace.index import LATEST, find_sweep

TAKEN = ("hydra.sweeper.claims", "hydra/launcher", "hydra.launcher.")


def run(arguments: list[str]) -> int:
    """Work for a sweep until nothing is left to begin there; return the exit code."""
    parser = Flags("work")
    parser.add_argument("--config-dir", "-cd")
    flags, words = parser.parse_known_args(arguments)
    place, overrides = read_place("work", words, more=("",))
    if strange := [text for key, text in overrides.items() if not key.startswith((*LOCAL, *TAKEN))]:
        raise Refused(f"{strange[0]}: a worker does what the sweep says; leave it out")
    own = {key: text for key, text in overrides.items() if key.startswith(LOCAL)}
    more = {key: text for key, text in overrides.items() if key not in own}
    folder = [] if flags.config_dir is None else ["--config-dir", flags.config_dir]
    return go_on(find_sweep(place or LATEST), compose(*own.values()), own, more, how="join", top=None, folder=folder)
