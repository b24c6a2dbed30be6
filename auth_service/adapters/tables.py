"""The tables as queries know them. What creates them are the migrations."""

import sqlalchemy as sa

from servicekit.tables import plumbing

METADATA = sa.MetaData()
PLUMBING = plumbing(METADATA)

# A user is in `document`; the other columns are what is looked for, and what must be unique.
USERS = sa.Table(
    "users",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("username_key", sa.Text, nullable=False),
    sa.Column("email_key", sa.Text),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.UniqueConstraint("username_key", name="users_username_key"),
    sa.UniqueConstraint("email_key", name="users_email_key"),
)

# Private keys in the clear: whoever reads this database can sign tokens, so guard it as a secret.
SIGNING_KEYS = sa.Table(
    "signing_keys",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("private_key", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)
