"""Garbage, which Python looks for as it ends: among half a million objects, for more than a second."""

import gc
import sys


def leave_garbage() -> None:
    """Let Python end without looking for garbage.

    Not where triton is loaded, as by torch for GPUs: its bindings take what is left of them at the end for a leak of
    theirs, and print pages about it.
    """
    if "triton" not in sys.modules:
        gc.freeze()
