"""Makes the plumbing, the workloads, the allocations and the inventory."""

import sqlalchemy as sa
from alembic import op

from servicekit.tables import create_v1, drop_v1

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_v1(op.create_table)
    _create_workloads()
    _create_inventory()


def downgrade() -> None:
    for table in ("cancellations", "pools", "devices", "nodes", "allocations", "workloads"):
        op.drop_table(table)
    drop_v1(op.drop_table)


def _create_workloads() -> None:
    unfinished, live = sa.text("state IN ('queued', 'running')"), sa.text("ended_at IS NULL")
    op.create_table(
        "workloads",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("arrival", sa.BigInteger, nullable=False, unique=True),
        sa.Column("job_id", sa.Text, nullable=False, index=True),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("team", sa.Text, nullable=False),
        sa.Column("pool", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Index(
            "ix_workloads_unfinished",
            "arrival",
            sqlite_where=unfinished,
            postgresql_where=unfinished,
        ),
    )
    op.create_table(
        "allocations",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workload_id", sa.Text, nullable=False, unique=True),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Index("ix_allocations_live", "id", sqlite_where=live, postgresql_where=live),
    )
    op.create_table(
        "cancellations",
        sa.Column("workload_id", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    )


def _create_inventory() -> None:
    op.create_table(
        "nodes",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("free_vcpus", sa.Integer),
        sa.Column("free_memory_gb", sa.Integer),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.CheckConstraint("free_vcpus >= 0", name="nodes_free_vcpus"),
        sa.CheckConstraint("free_memory_gb >= 0", name="nodes_free_memory_gb"),
    )
    op.create_table(
        "devices",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("node_id", sa.Text, nullable=False, index=True),
        sa.Column("pool", sa.Text, nullable=False),
        sa.Column("gpu_type", sa.Text, nullable=False),
        sa.Column("free_milli", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.CheckConstraint("free_milli BETWEEN 0 AND 1000", name="devices_free_milli"),
    )
    op.create_table(
        "pools",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
    )
