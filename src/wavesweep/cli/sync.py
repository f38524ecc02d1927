"""`wavesweep sync`: what the tracking server missed."""

from pathlib import Path

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.terminal import say
from wavesweep.base.exit_codes import UNTRACKED
from wavesweep.cli.arguments import Flags, read_place
from wavesweep.config.composing import compose
from wavesweep.delivery.follower import follow
from wavesweep.delivery.sync import MISSING, deliver_all
from wavesweep.workspace.index import recorded_below
from wavesweep.workspace.places import OUTPUTS


def run(arguments: list[str]) -> int:
    """Deliver the runs at or below a place, and say how many of them are where; return the exit code."""
    parser = Flags("sync")
    parser.add_argument("--follow", action="store_true")
    parser.add_argument("--trust", action="store_true")
    flags, words = parser.parse_known_args(arguments)
    typed, overrides = read_place("sync", words)
    place = Path(typed) if typed else OUTPUTS
    if not place.is_dir():
        raise Refused(f"{place} must be a run's directory, or one that holds runs, but is not there; name another")
    local = compose(*overrides.values())
    counts = deliver_all(recorded_below(place), local, overrides, trust=flags.trust)
    say(", ".join(f"{count} {state}" for state, count in counts.items()) or "no runs there")
    if flags.follow:
        say(f"delivering what changes below {place}; Ctrl-C ends that")
        follow(place, local, overrides, trust=flags.trust)
    return UNTRACKED if counts[MISSING] else 0
