"""MLflow's UI: its server, links into it, and what it is opened at."""
