"""Secrets are hidden, and nothing else is."""

import pytest

from hydra_queue_sweeper.base.redaction import is_of_a_secret, public_address, public_store, without_password

ADDRESSES = [
    ("http://user:pw@host:5000/x", "http://user:***@host:5000/x"),
    ("http://user:p@w@host", "http://user:***@host"),
    ("http://user:p/w@host", "http://user:***@host"),
    ("http://token@host", "http://***@host"),
    ("postgresql://host/db?user=u&password=pw&x=1", "postgresql://host/db?user=u&password=***&x=1"),
    ("https://host/?api_key=k1&x=1", "https://host/?api_key=***&x=1"),
    ("https://host/?access_token=k1", "https://host/?access_token=***"),
    ("https://host/x?sp=r&sig=k1", "https://host/x?sp=r&sig=***"),
    ("http://host:5000/path", "http://host:5000/path"),
    ("sqlite:///outputs/mlflow.db", "sqlite:///outputs/mlflow.db"),
    ("sqlite:////home/me@corp.com/mlflow.db", "sqlite:////home/me@corp.com/mlflow.db"),
]


@pytest.mark.parametrize(("address", "public"), ADDRESSES)
def test_an_address_loses_its_password_alone(address: str, public: str) -> None:
    assert public_address(address) == public
    assert without_password(f"see '{address}', me@here.org") == f"see '{public}', me@here.org"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *ADDRESSES,
        ("http:/user:pw@host", "***@host"),
        ("user:pw@host:1", "***@host:1"),
        ("token@host:5000", "***@host:5000"),
        ("folder/me@corp.com", "folder/me@corp.com"),
    ],
)
def test_a_mistyped_address_of_a_store_shows_nothing_that_may_be_one(address: str, public: str) -> None:
    assert public_store(address) == public


def test_what_a_request_says_of_a_token_is_hidden() -> None:
    said = "return character(s) in header value: 'Bearer abc\\r'"
    assert without_password(said) == "return character(s) in header value: 'Bearer ***'"


@pytest.mark.parametrize("name", ["PGPASSWORD", "api-key", "my.token", "credentials"])
def test_names_of_secrets(name: str) -> None:
    assert is_of_a_secret(name)
    assert not is_of_a_secret(f"{name} reset")


def test_a_password_may_hold_spaces() -> None:
    assert public_address("http://user:a b@host") == "http://user:***@host"
