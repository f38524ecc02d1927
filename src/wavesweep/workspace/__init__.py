"""Where runs and sweeps lie, what stands in their directories, and how each is found."""
