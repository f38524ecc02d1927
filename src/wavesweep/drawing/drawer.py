"""The drawer: draws pictures from files that hold what they show, and from these alone; and the process that does so.

A command starts that process, `runs/drawer_handle.py`, beside its runs.
"""

import gc
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from matplotlib import rc_context, rcParams
from matplotlib.style import available, use

from hydra_queue_sweeper.base.errors import Refused, in_one_line
from hydra_queue_sweeper.base.files import remove_parts
from wavesweep.drawing.drift import draw_drift
from wavesweep.drawing.forecasts import draw_forecasts
from wavesweep.drawing.learning_curve import draw_learning_curve
from wavesweep.evaluation.shown import ShownCurve, ShownErrors, read_shown


def main() -> None:
    """Draw what stdin says, a line each; answer each by a line, which is what `try_to_draw` gives."""
    for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):  # it ends with its command
        signal.signal(signum, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)  # looking for garbage among a picture's thousands of objects took a sixth
    for line in sys.stdin:
        shown, picture = json.loads(line)
        answer = json.dumps(try_to_draw(Path(shown), Path(picture)))
        with suppress(OSError):  # who wanted it may be gone
            os.write(1, answer.encode() + b"\n")
    os._exit(0)  # who waits for that has no use for tidiness


@contextmanager
def styled(style: str | None, dpi: int | None) -> Iterator[None]:
    """Let pictures be drawn in another style, or with other dots an inch.

    Args:
        style: One of matplotlib's, or a file of its settings.
        dpi: Dots an inch; None: as ever.

    Raises:
        Refused: If there is no such style.
    """
    with rc_context():
        if style is not None:
            try:
                use(style)
            except OSError:
                known = ", ".join(name for name in available if not name.startswith("_"))
                raise Refused(f"--style must be a file of matplotlib's settings, or {known}; got {style}") from None
        if dpi is not None:
            rcParams["savefig.dpi"] = dpi
        yield


def try_to_draw(shown: Path, picture: Path) -> tuple[int, str]:
    """Draw a picture; return the system's number and the words for what went wrong, if anything did: 0 is none's."""
    try:
        draw(shown, picture)
    except OSError as error:
        return error.errno or 0, in_one_line(error)
    except Exception as error:
        return 0, in_one_line(error)
    return 0, ""


def draw(shown: Path, picture: Path) -> None:
    """Draw what a file of `shown.pack` holds.

    Raises:
        Refused: If the file is something else.
    """
    remove_parts(picture.parent.glob(f".{picture.name}.*"))
    what = read_shown(shown)
    if isinstance(what, ShownCurve):
        draw_learning_curve(what, picture)
    elif isinstance(what, ShownErrors):
        draw_drift(what, picture)
    else:
        draw_forecasts(what, picture)
