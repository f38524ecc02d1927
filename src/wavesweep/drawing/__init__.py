"""What pictures of runs and of sweeps share; imports matplotlib."""
