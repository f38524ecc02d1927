"""Those who get copies of runs and sweeps: one file or package a tracker, known by its name."""
