"""What forecasts: models as they are configured, their networks, the losses that train them, and the baselines."""
