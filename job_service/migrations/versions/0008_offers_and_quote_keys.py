"""Makes room for what is on offer, and a key to sign quotes with."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "offers",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("id = 1", name="offers_has_one_row"),
    )
    keys = op.create_table(
        "quote_keys",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("id = 1", name="quote_keys_has_one_row"),
    )
    op.bulk_insert(keys, [{"id": 1, "version": 1, "key": secrets.token_bytes(32)}])


def downgrade() -> None:
    op.drop_table("quote_keys")
    op.drop_table("offers")
