"""Keeps earlier runs, dependencies and counts by state, and gives every list an index."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

STATES = [
    "pending",
    "approved",
    "queued",
    "running",
    "completed",
    "failed",
    "rejected",
    "cancelled",
]


def upgrade() -> None:
    op.add_column(
        "jobs", sa.Column("array_id", sa.Text, nullable=False, server_default=sa.text("''"))
    )
    op.add_column("jobs", sa.Column("due_at", sa.BigInteger))
    op.drop_index("jobs_by_owner", "jobs")
    op.drop_index("jobs_by_creation", "jobs")
    op.create_index("jobs_by_owner", "jobs", ["owner_id", "state", "created_at", "id"])
    op.create_index("jobs_by_owner_update", "jobs", ["owner_id", "updated_at", "id"])
    op.create_index("jobs_by_update", "jobs", ["updated_at", "id"])
    for column in ("team", "gpu_type", "pool", "provider", "array_id"):
        _index_of_some(f"jobs_by_{column}", [column, "created_at", "id"], f"{column} <> ''")
    _index_of_some("jobs_by_due_time", ["due_at"], "due_at IS NOT NULL")
    op.create_table(
        "runs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("attempt", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_index("runs_by_job", "runs", ["job_id", "attempt"], unique=True)
    op.create_table(
        "job_dependencies",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("on_id", sa.Text, primary_key=True),
    )
    op.create_index("job_dependencies_by_other", "job_dependencies", ["on_id", "job_id"])
    _create_counts()
    _widen_labels()


def downgrade() -> None:
    op.drop_index("job_labels_by_value", "job_labels")
    op.drop_index("job_labels_by_owner", "job_labels")
    op.drop_column("job_labels", "created_at")
    op.drop_column("job_labels", "owner_id")
    op.create_index("job_labels_by_key", "job_labels", ["key", "value", "job_id"])
    op.drop_table("job_counts")
    op.drop_table("job_dependencies")
    op.drop_table("runs")
    for column in ("due_time", "array_id", "provider", "pool", "gpu_type", "team", "update"):
        op.drop_index(f"jobs_by_{column}", "jobs")
    op.drop_index("jobs_by_owner_update", "jobs")
    op.drop_index("jobs_by_owner", "jobs")
    op.create_index("jobs_by_owner", "jobs", ["owner_id", "created_at", "id"])
    op.create_index("jobs_by_creation", "jobs", ["created_at", "id"])
    op.drop_column("jobs", "due_at")
    op.drop_column("jobs", "array_id")


def _index_of_some(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "jobs", columns, sqlite_where=condition, postgresql_where=condition)


def _create_counts() -> None:
    """Counts what there is: by owner, by team, and over all."""
    jobs = sa.table("jobs", *map(sa.column, ("owner_id", "team", "state")))
    counts = op.create_table(
        "job_counts",
        sa.Column("scope", sa.Text, primary_key=True),
        *(sa.Column(state, sa.BigInteger, nullable=False) for state in STATES),
    )
    scopes = [
        (sa.literal("user:") + jobs.c.owner_id, sa.true()),
        (sa.literal("team:") + jobs.c.team, jobs.c.team != ""),
        (sa.literal("all"), sa.true()),
    ]
    for scope, condition in scopes:
        rows = sa.select(
            scope,
            *(sa.func.sum(sa.case((jobs.c.state == it.upper(), 1), else_=0)) for it in STATES),
        ).where(condition)
        op.execute(counts.insert().from_select(["scope", *STATES], rows.group_by(scope)))


def _widen_labels() -> None:
    """Whose job it is and since when goes beside each label, so that its list is in order."""
    op.add_column(
        "job_labels", sa.Column("owner_id", sa.Text, nullable=False, server_default=sa.text("''"))
    )
    op.add_column(
        "job_labels",
        sa.Column("created_at", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    )
    jobs = sa.table("jobs", *map(sa.column, ("id", "owner_id", "created_at")))
    labels = sa.table("job_labels", *map(sa.column, ("job_id", "owner_id", "created_at")))
    copied = {
        name: sa.select(jobs.c[name]).where(jobs.c.id == labels.c.job_id).scalar_subquery()
        for name in ("owner_id", "created_at")
    }
    op.execute(labels.update().values(**copied))
    op.drop_index("job_labels_by_key", "job_labels")
    op.create_index("job_labels_by_value", "job_labels", ["key", "value", "created_at", "job_id"])
    op.create_index(
        "job_labels_by_owner",
        "job_labels",
        ["owner_id", "key", "value", "created_at", "job_id"],
    )
