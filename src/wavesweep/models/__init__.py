"""Forecasters: networks, baselines, their forecasts and scores, and their weights on disk."""
