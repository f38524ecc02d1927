"""A Hydra launcher: jobs on this machine, each in a process of its own."""
