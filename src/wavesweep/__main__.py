"""`python -m wavesweep` is the console script."""

from wavesweep.cli.main import main

if __name__ == "__main__":  # processes that this one spawns may import it under another name
    main()
