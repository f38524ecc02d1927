"""MLflow's copy of runs: the store, delivery, the model, and a job from configuration to delivered record."""
