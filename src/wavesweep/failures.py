"""What went wrong, in a line that says the way out."""

import errno
import re
from pathlib import Path

from wavesweep.refusals import Refused
from wavesweep.terminal import relative

_OUT_OF_MEMORY = re.compile(
    "can.t allocate memory|out of memory|bad_alloc|map segment|cannot allocate|can.t start new thread", re.IGNORECASE
)
_WAYS_OUT = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "make it writable",
    errno.EACCES: "make it writable",
}


def in_one_line(error: Exception, then: str = "") -> str:
    """Return what went wrong and what helps, if that is known, and what to do then."""
    if isinstance(error, Refused):
        return str(error)
    text = str(error).partition("\n")[0]
    what, way_out = f"{type(error).__name__}: {text}", ""
    if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(text):
        what, way_out = "out of memory", "take smaller sizes or end other programs"
    elif isinstance(error, OSError) and error.filename:
        what, way_out = f"{relative(Path(str(error.filename)))}: {error.strerror}", _WAYS_OUT.get(error.errno or 0, "")
    steps = ", then ".join(filter(None, [way_out, then]))
    return f"{what}; {steps}" if steps else what
