"""The tables of the job database.

A job's row carries in columns what is filtered, sorted or guarded, and the whole job in
``document``. Times are integer microseconds since 1970, UTC; GPU time is milli-GPU-seconds.
"""

import sqlalchemy as sa

from servicekit.tables import plumbing

METADATA = sa.MetaData()
PLUMBING = plumbing(METADATA)

JOBS = sa.Table(
    "jobs",
    METADATA,
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
    sa.Index("jobs_by_owner", "owner_id", "created_at", "id"),
    sa.Index("jobs_by_creation", "created_at", "id"),
    sa.Index("jobs_by_state", "state", "created_at", "id"),
)

JOB_LABELS = sa.Table(
    "job_labels",
    METADATA,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Index("job_labels_by_key", "key", "value", "job_id"),
)

ACCOUNTS = sa.Table(
    "accounts",
    METADATA,
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
    sa.CheckConstraint("reserved >= 0", name="accounts_reserved_not_negative"),
    sa.CheckConstraint("used >= 0", name="accounts_used_not_negative"),
    sa.CheckConstraint(
        '"limit" + granted >= reserved + used', name="accounts_available_not_negative"
    ),
)

LEDGER = sa.Table(
    "ledger",
    METADATA,
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
    sa.CheckConstraint('"left" >= 0', name="ledger_left_not_negative"),
    sa.UniqueConstraint("owner_id", "period", "sequence", name="ledger_by_owner"),
)
