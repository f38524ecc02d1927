"""What a sweep tries and gives up: dimensions, proposals, pruning, and what replicates show; knows no files."""
