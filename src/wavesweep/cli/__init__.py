"""The command line: commands, arguments, completion, progress, and the Hydra application."""
