"""The tables of the job database.

A job's row carries in columns what is filtered, sorted or guarded, and the whole job in
``document``. Times are integer microseconds since 1970, UTC; GPU time is milli-GPU-seconds.
"""

import sqlalchemy as sa

from job_service.domain.states import JobState
from servicekit.tables import plumbing

METADATA = sa.MetaData()
PLUMBING = plumbing(METADATA)


def _index_of_some(name: str, columns: list[str], where: str) -> sa.Index:
    """An index of the rows for which a condition holds; the others cost it nothing."""
    condition = sa.text(where)
    return sa.Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


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
    sa.Column("array_id", sa.Text, nullable=False, server_default=sa.text("''")),
    sa.Column("due_at", sa.BigInteger),
    # Without a state in its conditions a list merges the states' lists, of which there are eight:
    # an index without the state would cost every submit as much again.
    sa.Index("jobs_by_state", "state", "created_at", "id"),
    sa.Index("jobs_by_owner", "owner_id", "state", "created_at", "id"),
    sa.Index("jobs_by_owner_update", "owner_id", "updated_at", "id"),
    sa.Index("jobs_by_update", "updated_at", "id"),
    *(
        _index_of_some(f"jobs_by_{column}", [column, "created_at", "id"], f"{column} <> ''")
        for column in ("team", "gpu_type", "pool", "provider", "array_id")
    ),
    _index_of_some("jobs_by_due_time", ["due_at"], "due_at IS NOT NULL"),
)

JOB_LABELS = sa.Table(
    "job_labels",
    METADATA,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("owner_id", sa.Text, nullable=False, server_default=sa.text("''")),
    sa.Column("created_at", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Index("job_labels_by_value", "key", "value", "created_at", "job_id"),
    sa.Index("job_labels_by_owner", "owner_id", "key", "value", "created_at", "job_id"),
)

RUNS = sa.Table(
    "runs",
    METADATA,
    # Runs that their jobs have left behind; the latest is part of its job.
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("attempt", sa.BigInteger, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Index("runs_by_job", "job_id", "attempt", unique=True),
)

JOB_DEPENDENCIES = sa.Table(
    "job_dependencies",
    METADATA,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("on_id", sa.Text, primary_key=True),
    sa.Index("job_dependencies_by_other", "on_id", "job_id"),
)

JOB_COUNTS = sa.Table(
    "job_counts",
    METADATA,
    # "user:<id>", "team:<name>" or "all", and how many jobs are in each state.
    sa.Column("scope", sa.Text, primary_key=True),
    *(sa.Column(state.lower(), sa.BigInteger, nullable=False) for state in JobState),
)

ACCOUNTS = sa.Table(
    "accounts",
    METADATA,
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("period", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("limit", sa.BigInteger, nullable=False),
    sa.Column("granted", sa.BigInteger, nullable=False),
    sa.Column("reserved", sa.BigInteger, nullable=False),
    sa.Column("used", sa.BigInteger, nullable=False),
    sa.Column("reserved_total", sa.BigInteger, nullable=False),
    sa.Column("refunded_total", sa.BigInteger, nullable=False),
    sa.Column("entries", sa.BigInteger, nullable=False),
    sa.Column("overrun", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.CheckConstraint("reserved >= 0", name="accounts_reserved_not_negative"),
    sa.CheckConstraint("used >= 0", name="accounts_used_not_negative"),
    # What was never reserved may exceed the quota: a run that outlasted its hours is billed.
    sa.CheckConstraint(
        '"limit" + granted + overrun >= reserved + used', name="accounts_never_overdrawn"
    ),
    sa.CheckConstraint("overrun >= 0 AND overrun <= used", name="accounts_overrun_is_part_of_used"),
    sa.CheckConstraint(
        "reserved_total = used - overrun + refunded_total + reserved", name="accounts_add_up"
    ),
)

LEDGER = sa.Table(
    "ledger",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("period", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("left", sa.BigInteger, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    # A limit that fell goes back where it came from; nothing else does.
    sa.CheckConstraint(
        "amount > 0 OR (kind = 'LIMIT_CHANGE' AND amount < 0)", name="ledger_amount_moves"
    ),
    sa.CheckConstraint(
        "\"left\" >= 0 OR kind NOT IN ('RESERVE', 'ALLOWANCE')", name="ledger_never_overdrawn"
    ),
    sa.UniqueConstraint("subject", "period", "sequence", name="ledger_by_subject"),
)

# One row: all rules together, as they are tried in order.
APPROVAL_RULES = sa.Table(
    "approval_rules",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.CheckConstraint("id = 1", name="approval_rules_has_one_row"),
)

# One row: all that the scheduler has to offer, which rules of costs go by.
OFFERS = sa.Table(
    "offers",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.CheckConstraint("id = 1", name="offers_has_one_row"),
)

# One row, made by the migration: whoever can read it can write the jobs that it speaks for, too.
QUOTE_KEYS = sa.Table(
    "quote_keys",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("key", sa.LargeBinary, nullable=False),
    sa.CheckConstraint("id = 1", name="quote_keys_has_one_row"),
)

WEBHOOKS = sa.Table(
    "webhooks",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("owner_id", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Index("webhooks_by_owner", "owner_id", "created_at", "id"),
)

# What webhooks are still to be told; without a time to be told it, a dead letter.
DELIVERIES = sa.Table(
    "deliveries",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("webhook_id", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("due_at", sa.BigInteger),
    sa.Column("attempts", sa.BigInteger, nullable=False),
    sa.Column("last_status", sa.BigInteger, nullable=False),
    sa.Column("last_error", sa.Text, nullable=False),
    sa.Column("last_at", sa.BigInteger),
    sa.Index("deliveries_by_due_time", "due_at"),
    sa.Index("deliveries_by_webhook", "webhook_id", "due_at", "revision"),
)

# Jobs that ended long ago, each as its compressed document; nothing but their ids is looked for.
ARCHIVED_JOBS = sa.Table(
    "archived_jobs",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("document", sa.LargeBinary, nullable=False),
)
