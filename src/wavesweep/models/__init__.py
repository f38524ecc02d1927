"""Models as they are configured, their forecasts and scores, and their weights on disk."""
