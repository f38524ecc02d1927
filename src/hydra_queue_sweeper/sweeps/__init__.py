"""Sweeps: many jobs of one Hydra program, run by workers that survive each other; knows no LSTM and no MLflow."""
