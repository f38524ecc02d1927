"""Delivery: directories of runs and sweeps read, and copied to those who track them."""
