"""The pictures of a sweep: configurations beside each other, jobs over time, and what the objective depends on."""
