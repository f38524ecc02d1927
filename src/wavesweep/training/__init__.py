"""Training: optimizers, the two stages by gradient, and least squares."""
