"""Sweeps: many jobs of one command, run by workers that survive each other."""
