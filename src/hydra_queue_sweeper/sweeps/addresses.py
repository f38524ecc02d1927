"""The address of a database where trials are claimed."""

from urllib.parse import parse_qsl, urlsplit

from hydra_queue_sweeper.base.errors import Refused

SCHEMES = ("postgresql", "postgres")


def check_address(address: str) -> None:
    """Refuse what is no address of a database, or would be stored with a password.

    Raises:
        Refused: If it isn't one.
    """
    parts = urlsplit(address)
    if parts.scheme not in SCHEMES or not parts.netloc:
        where = "postgresql://USER@HOST/DATABASE, or be left out: trials are then claimed in the sweep's directory"
        raise Refused(f"hydra.sweeper.claims must be {where}")
    if parts.password is not None or "password" in dict(parse_qsl(parts.query)):
        raise Refused("hydra.sweeper.claims must have no password, which would be stored; set PGPASSWORD in its place")
