"""The command `hydra-queue`, for the sweeps of any program."""
