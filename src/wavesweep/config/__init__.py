"""The whole configuration: composing it by Hydra, checking it, filling it in, and why it is refused."""
