"""Finds the latest ends of allocations without a look at all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ENDED = sa.text("ended_at IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_allocations_ended",
        "allocations",
        ["ended_at"],
        sqlite_where=ENDED,
        postgresql_where=ENDED,
    )


def downgrade() -> None:
    op.drop_index("ix_allocations_ended", "allocations")
