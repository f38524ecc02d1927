"""Forecasts that a network has to beat, and how sure it is that it does."""
