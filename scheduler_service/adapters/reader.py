"""The state as it is on disk, read beside the writer."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from scheduler_service.adapters.documents import decode_node, decode_placement, decode_workload
from scheduler_service.adapters.tables import (
    ALLOCATIONS,
    ENDED,
    LIVE,
    NODES,
    PLUMBING,
    POOLS,
    UNFINISHED,
    WORKLOADS,
)
from scheduler_service.application.ports import Page, Snapshot, WorkloadFilter
from scheduler_service.domain.resources import Pool
from scheduler_service.domain.workload import Workload, WorkloadState
from servicekit.database import Database

REMEMBERED = 10_000
"""Past runs that a rebuilt engine is told of."""


class SqlReader:
    """What the application's Reader promises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def snapshot(self) -> Snapshot:
        """Returns the state of one moment."""
        return await self._database.read(_snapshot)

    async def workload(self, workload_id: str) -> Workload | None:
        """Returns the workload of this id."""
        query = sa.select(WORKLOADS.c.document).where(WORKLOADS.c.id == workload_id)
        found = await self._database.read(lambda connection: connection.execute(query).first())
        return decode_workload(found.document) if found else None

    async def running(self, workload_ids: Sequence[str]) -> Sequence[Workload]:
        """Returns those of these workloads that run."""
        query = sa.select(WORKLOADS.c.document).where(
            WORKLOADS.c.id.in_(workload_ids), WORKLOADS.c.state == WorkloadState.RUNNING.value
        )
        return await self._database.read(lambda connection: _workloads(connection, query))

    async def workloads(self, workload_ids: Sequence[str]) -> Sequence[Workload]:
        """Returns those of these workloads that there are, in any order."""
        query = sa.select(WORKLOADS.c.document).where(WORKLOADS.c.id.in_(workload_ids))
        return await self._database.read(lambda connection: _workloads(connection, query))

    async def page(self, wanted: WorkloadFilter, size: int, after: int) -> Page:
        """Returns up to ``size`` workloads that arrived after position ``after``."""
        return await self._database.read(lambda connection: _page(connection, wanted, size, after))

    async def pools(self) -> Sequence[Pool]:
        """Returns what is known of pools beside their nodes."""
        query = POOLS.select().order_by(POOLS.c.name)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [Pool(row.name, row.environment, row.description) for row in rows]


def _snapshot(connection: Connection) -> Snapshot:
    if connection.dialect.name == "postgresql":
        # Its default would let each statement see another moment.
        connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    revision = connection.execute(sa.select(PLUMBING.event_log.c.head)).scalar_one()
    nodes = connection.execute(sa.select(NODES.c.document).order_by(NODES.c.position)).all()
    unfinished = sa.select(WORKLOADS.c.document).where(UNFINISHED).order_by(WORKLOADS.c.arrival)
    workloads = _workloads(connection, unfinished)
    ended = (
        sa.select(WORKLOADS.c.document)
        .join(ALLOCATIONS, ALLOCATIONS.c.workload_id == WORKLOADS.c.id)
        .where(ENDED)
        .order_by(ALLOCATIONS.c.ended_at.desc(), WORKLOADS.c.arrival.desc())
        .limit(REMEMBERED)
    )
    return Snapshot(
        revision=revision,
        nodes=[decode_node(row.document) for row in nodes],
        queued=[each for each in workloads if each.state is WorkloadState.QUEUED],
        running=[each for each in workloads if each.state is WorkloadState.RUNNING],
        past=_workloads(connection, ended)[::-1],
    )


def _page(connection: Connection, wanted: WorkloadFilter, size: int, after: int) -> Page:
    query = (
        sa.select(WORKLOADS.c.arrival, WORKLOADS.c.document)
        .where(WORKLOADS.c.arrival > after, *_conditions(connection, wanted))
        .order_by(WORKLOADS.c.arrival)
        .limit(size + 1)
    )
    rows = connection.execute(query).all()
    last = rows[size - 1].arrival if len(rows) > size else None
    return Page([decode_workload(row.document) for row in rows[:size]], last)


def _conditions(connection: Connection, wanted: WorkloadFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [
        WORKLOADS.c[column] == value
        for column in ("pool", "owner_id", "team", "job_id")
        if (value := getattr(wanted, column))
    ]
    if wanted.states:
        conditions.append(WORKLOADS.c.state.in_([state.value for state in wanted.states]))
    if wanted.node_id:
        conditions.append(WORKLOADS.c.id.in_(_on_node(connection, wanted.node_id)))
    return conditions


def _on_node(connection: Connection, node_id: str) -> list[str]:
    """The workloads whose live allocations hold a part of the node."""
    query = sa.select(ALLOCATIONS.c.workload_id, ALLOCATIONS.c.document).where(LIVE)
    return [
        row.workload_id
        for row in connection.execute(query)
        if any(part.node_id == node_id for part in decode_placement(row.document).slices)
    ]


def _workloads(connection: Connection, query: sa.Select[tuple[bytes]]) -> list[Workload]:
    return [decode_workload(row.document) for row in connection.execute(query)]
