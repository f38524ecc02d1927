"""MLflow's UI: its server, links into it, and the views of runs that it opens at."""
