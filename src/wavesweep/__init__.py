"""Hydra-configured experiment sweeper for forecasting time series with LSTMs."""
