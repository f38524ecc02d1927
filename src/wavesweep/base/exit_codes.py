"""The exit codes of the command."""

FAILED = 1
REFUSED = 2
DIVERGED = 3
UNTRACKED = 4
SEVERITY = (REFUSED, FAILED, DIVERGED, UNTRACKED)
"""Where jobs of a sweep ended differently, the first of these that occurred is the sweep's."""
