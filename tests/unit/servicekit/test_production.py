"""What is obviously no secret, and no database for production."""

import pytest

from servicekit.production import weakness_of_database, weakness_of_secret


@pytest.mark.parametrize(("secret", "expected"), [
    ("", "a secret"),
    ("x7Qp2mZk9", "16 characters or more"),
    ("changeme-changeme", "a random secret, such as `make secrets` makes"),
    ("my-Password-is-long", "a random secret, such as `make secrets` makes"),
    ("0000000000000000000000", "a random secret, such as `make secrets` makes"),
    ("abcabcabcabcabcabcabc", "a random secret, such as `make secrets` makes"),
    ("9f86d081884c7d659a2feaa0c55ad015", None),
    ("tea leaves at noon, twice", None),
])  # fmt: skip
def test_what_was_never_meant_to_be_a_secret_is_found(secret: str, expected: str | None) -> None:
    """Missing, short, repeated, or one of the words that examples use."""
    assert expected == weakness_of_secret(secret)


@pytest.mark.parametrize(("url", "expected"), [
    ("sqlite://", "a database that outlives the process"),
    ("sqlite:///:memory:", "a database that outlives the process"),
    ("sqlite:///file:x?mode=memory&uri=true", "a database that outlives the process"),
    ("sqlite:////var/lib/gpuaas/job.db", None),
    ("postgresql+psycopg://job:job@db/job", "as the database's password 16 characters or more"),
    ("postgresql+psycopg://job@db/job", None),
    ("postgresql+psycopg://job:9f86d081884c7d659a2feaa0@db/job", None),
    ("nonsense", "a database URL"),
])  # fmt: skip
def test_a_database_has_to_last_and_its_password_to_be_one(url: str, expected: str | None) -> None:
    """Without a password the server has another way to know its clients, such as a certificate."""
    assert expected == weakness_of_database(url)
