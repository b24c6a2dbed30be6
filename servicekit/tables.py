"""The tables of plumbing that every service's database carries.

``plumbing(metadata)`` declares them for queries; ``create_v1`` is their first migration, called by
each service's own first migration and never edited afterwards. Columns are integers, text and bytes
only, so that rows need no conversion on either database; times are integer microseconds since 1970,
UTC.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

# On SQLite only INTEGER becomes the row id itself, which saves an index.
_REVISION = sa.BigInteger().with_variant(sa.Integer, "sqlite")


@dataclass(frozen=True, slots=True)
class Plumbing:
    """The declared tables, one attribute each."""

    event_log: sa.Table
    events: sa.Table
    cursors: sa.Table
    requests: sa.Table


def plumbing(metadata: sa.MetaData) -> Plumbing:
    """Declares the plumbing tables in ``metadata``."""
    return Plumbing(*(sa.Table(name, metadata, *columns) for name, columns in _v1().items()))


def create_v1(create_table: Any) -> None:
    """Creates the first version of the tables; ``create_table`` is alembic's operation."""
    for name, columns in _v1().items():
        create_table(name, *columns)


def drop_v1(drop_table: Any) -> None:
    """Takes the first version of the tables away again; ``drop_table`` is alembic's operation."""
    for name in reversed(_v1()):
        drop_table(name)


def _v1() -> dict[str, list[Any]]:
    return {
        # One row: who this log is, its newest revision, and the newest revision that was trimmed
        # away.
        "event_log": [
            sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("identity", sa.LargeBinary, nullable=False),
            sa.Column("head", sa.BigInteger, nullable=False),
            sa.Column("floor", sa.BigInteger, nullable=False),
            sa.CheckConstraint("id = 1", name="event_log_has_one_row"),
            sa.CheckConstraint("floor <= head", name="event_log_floor_below_head"),
        ],
        "events": [
            sa.Column("revision", _REVISION, primary_key=True, autoincrement=False),
            sa.Column("at", sa.BigInteger, nullable=False),
            sa.Column("kind", sa.Text, nullable=False),
            sa.Column("subject", sa.Text, nullable=False, index=True),
            sa.Column("payload", sa.LargeBinary, nullable=False),
            sa.Column("traceparent", sa.Text, nullable=False),
            # Whether the same change goes on in the next event; readers never get half a change.
            sa.Column("more", sa.Boolean, nullable=False),
        ],
        # How far a loop of this service has read some log, its own or another service's.
        "cursors": [
            sa.Column("name", sa.Text, primary_key=True),
            sa.Column("position", sa.Text, nullable=False),
        ],
        # The first answer to each request id, so that a repeat gets the same one.
        "requests": [
            sa.Column("key", sa.Text, primary_key=True),
            sa.Column("fingerprint", sa.LargeBinary, nullable=False),
            sa.Column("answer", sa.LargeBinary, nullable=False),
            sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
        ],
    }
