"""Makes the plumbing, jobs, quota accounts and the ledger."""

import sqlalchemy as sa
from alembic import op

from servicekit.tables import create_v1, drop_v1

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_v1(op.create_table)
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("team", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("gpu_type", sa.Text, nullable=False),
        sa.Column("pool", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_index("jobs_by_creation", "jobs", ["created_at", "id"])
    op.create_index("jobs_by_owner", "jobs", ["owner_id", "created_at", "id"])
    op.create_index("jobs_by_state", "jobs", ["state", "created_at", "id"])
    op.create_table(
        "job_labels",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_index("job_labels_by_key", "job_labels", ["key", "value", "job_id"])
    op.create_table(
        "accounts",
        sa.Column("owner_id", sa.Text, primary_key=True),
        sa.Column("period", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("limit", sa.BigInteger, nullable=False),
        sa.Column("granted", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.Column("reserved_total", sa.BigInteger, nullable=False),
        sa.Column("refunded_total", sa.BigInteger, nullable=False),
        sa.Column("entries", sa.BigInteger, nullable=False),
        sa.CheckConstraint(
            '"limit" + granted >= reserved + used', name="accounts_available_not_negative"
        ),
        sa.CheckConstraint("reserved >= 0", name="accounts_reserved_not_negative"),
        sa.CheckConstraint("used >= 0", name="accounts_used_not_negative"),
    )
    op.create_table(
        "ledger",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("left", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.CheckConstraint("amount > 0", name="ledger_amount_positive"),
        sa.UniqueConstraint("owner_id", "period", "sequence", name="ledger_by_owner"),
        sa.CheckConstraint('"left" >= 0', name="ledger_left_not_negative"),
    )


def downgrade() -> None:
    op.drop_table("ledger")
    op.drop_table("accounts")
    op.drop_table("job_labels")
    op.drop_table("jobs")
    drop_v1(op.drop_table)
