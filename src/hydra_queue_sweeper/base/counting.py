"""Numbers of things, as people write them."""


def counted(count: int, what: str) -> str:
    """Return a number with what it counts, in the plural unless there is one: "1 epoch", "3 epochs", "3 series"."""
    if count == 1 or what.endswith("series"):
        return f"{count} {what}"
    return f"{count} {what}s"
