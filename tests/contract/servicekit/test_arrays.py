"""Packed columns are what PostgreSQL reads."""

from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from local.postgres import Postgres
from servicekit.arrays import packed

WHOLE_NUMBERS = {"INTEGER": 31, "BIGINT": 63}
VALUES: dict[str, st.SearchStrategy[object]] = {
    "BOOLEAN": st.booleans(),
    "BYTEA": st.binary(max_size=50),
    "TEXT": st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=50),
    **{name: st.integers(-(2**bits), 2**bits - 1) for name, bits in WHOLE_NUMBERS.items()},
}


@pytest.fixture(scope="module")
def connection(postgres: Postgres) -> Iterator[psycopg.Connection]:
    """A connection to a real server."""
    url = sa.make_url(postgres.url()).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False)) as opened:
        yield opened


@pytest.mark.parametrize("type_name", sorted(VALUES))
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_what_is_packed_is_what_the_server_has(
    connection: psycopg.Connection, type_name: str, data: st.DataObject
) -> None:
    """Every value of a column arrives as it was, and None as NULL."""
    values = data.draw(st.lists(st.none() | VALUES[type_name], min_size=1, max_size=20))

    statement = f"SELECT * FROM unnest(%s::{type_name}[])"
    rows = connection.execute(statement, (packed(type_name, values),)).fetchall()

    assert [(value,) for value in values] == rows


def test_a_type_without_columns_is_refused() -> None:
    """A new type of column needs its form here first."""
    with pytest.raises(KeyError):
        packed("NUMERIC", [1])
