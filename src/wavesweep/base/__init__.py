"""What every room may use, and what knows no domain: errors, signals, files, terminals, parts of configurations."""
