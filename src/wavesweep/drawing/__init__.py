"""Pictures: their style, and those of a run, drawn from what it has left."""
