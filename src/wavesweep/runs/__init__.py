"""One run: its directory, checkpoints, the experiment from top to bottom, pictures, and finding it again."""
