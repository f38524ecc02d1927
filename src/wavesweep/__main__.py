"""`python -m wavesweep` is the console script."""

from wavesweep.cli import main

main()
