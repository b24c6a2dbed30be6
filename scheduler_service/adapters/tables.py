"""The tables as queries know them. What creates them are the migrations."""

import sqlalchemy as sa

from servicekit.tables import plumbing

METADATA = sa.MetaData()
PLUMBING = plumbing(METADATA)

UNFINISHED = sa.text("state IN ('queued', 'running')")
LIVE = sa.text("ended_at IS NULL")
ENDED = sa.text("ended_at IS NOT NULL")

# A workload is in `document`; the other columns are what is looked for. `arrival` is the revision
# of the event that told of its arrival, so that queue and log have one order.
WORKLOADS = sa.Table(
    "workloads",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("arrival", sa.BigInteger, nullable=False, unique=True),
    sa.Column("job_id", sa.Text, nullable=False, index=True),
    sa.Column("owner_id", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("pool", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    # Rebuilding the queue must not grow with what has ended.
    sa.Index(
        "ix_workloads_unfinished", "arrival", sqlite_where=UNFINISHED, postgresql_where=UNFINISHED
    ),
)

# `document` is the placement. A workload is placed once: a new attempt is a new workload.
ALLOCATIONS = sa.Table(
    "allocations",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workload_id", sa.Text, nullable=False, unique=True),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("ended_at", sa.BigInteger),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Index("ix_allocations_live", "id", sqlite_where=LIVE, postgresql_where=LIVE),
    # What a rebuilt engine remembers must not grow with all that has ever run.
    sa.Index("ix_allocations_ended", "ended_at", sqlite_where=ENDED, postgresql_where=ENDED),
)

# The free parts are changed in the transaction that makes or ends an allocation, and the database
# itself refuses to give out more than there is. NULL: not limited.
NODES = sa.Table(
    "nodes",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("free_vcpus", sa.Integer),
    sa.Column("free_memory_gb", sa.Integer),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.CheckConstraint("free_vcpus >= 0", name="nodes_free_vcpus"),
    sa.CheckConstraint("free_memory_gb >= 0", name="nodes_free_memory_gb"),
)

DEVICES = sa.Table(
    "devices",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("node_id", sa.Text, nullable=False, index=True),
    sa.Column("pool", sa.Text, nullable=False),
    sa.Column("gpu_type", sa.Text, nullable=False),
    sa.Column("free_milli", sa.Integer, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.CheckConstraint("free_milli BETWEEN 0 AND 1000", name="devices_free_milli"),
)

POOLS = sa.Table(
    "pools",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
)

# Cancellations of workloads that have not arrived yet.
CANCELLATIONS = sa.Table(
    "cancellations",
    METADATA,
    sa.Column("workload_id", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)
