"""A stored run, again: found on disk or in MLflow, reproduced, varied, compared, and forecast with."""
