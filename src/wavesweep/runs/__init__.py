"""Runs: an experiment carried out in a directory, where observers write, draw and show what it tells."""
