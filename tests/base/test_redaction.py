"""Secrets are hidden, and nothing else is."""

import pytest

from hydra_queue_sweeper.base.redaction import public_address, without_password

ADDRESSES = [
    ("http://user:pw@host:5000/x", "http://user:***@host:5000/x"),
    ("http://user:p@w@host", "http://user:***@host"),
    ("http://user:p/w@host", "http://user:***@host"),
    ("http://token@host", "http://***@host"),
    ("postgresql://host/db?user=u&password=pw&x=1", "postgresql://host/db?user=u&password=***&x=1"),
    ("http://host:5000/path", "http://host:5000/path"),
    ("sqlite:///outputs/mlflow.db", "sqlite:///outputs/mlflow.db"),
    ("sqlite:////home/me@corp.com/mlflow.db", "sqlite:////home/me@corp.com/mlflow.db"),
]


@pytest.mark.parametrize(("address", "public"), ADDRESSES)
def test_an_address_loses_its_password_alone(address: str, public: str) -> None:
    assert public_address(address) == public
    assert without_password(f"see '{address}', me@here.org") == f"see '{public}', me@here.org"


def test_a_password_may_hold_spaces() -> None:
    assert public_address("http://user:a b@host") == "http://user:***@host"
