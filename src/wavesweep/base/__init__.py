"""Tools that know no domain, for every room: errors, signals, files, terminals, parts of configurations."""
