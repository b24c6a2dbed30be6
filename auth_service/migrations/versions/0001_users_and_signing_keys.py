"""Makes the plumbing, the users and the keys that sign access tokens."""

import sqlalchemy as sa
from alembic import op

from servicekit.tables import create_v1, drop_v1

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_v1(op.create_table)
    op.create_table(
        "users",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("username_key", sa.Text, nullable=False),
        sa.Column("email_key", sa.Text),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.UniqueConstraint("username_key", name="users_username_key"),
        sa.UniqueConstraint("email_key", name="users_email_key"),
    )
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("private_key", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("signing_keys")
    op.drop_table("users")
    drop_v1(op.drop_table)
