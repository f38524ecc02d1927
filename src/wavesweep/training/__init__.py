"""Training: optimizers, the two stages by gradient, least squares, and which epoch is kept."""
