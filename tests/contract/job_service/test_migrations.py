"""Databases that are in use when their version changes, on both makes.

``database_0001.json`` is what the service's first version had written: a job that runs, one that
completed, one that waits for approval, one that was cancelled, and the books of all of them.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from job_service.adapters.ledger_check import check
from job_service.application.commands.cancelling import CancelJob
from job_service.application.commands.quota import SetQuota
from job_service.application.following import ApplyReports
from job_service.application.ports import AccountQuery, EntryQuery, JobQuery
from job_service.domain.ledger import EntryKind, of_team, of_user
from job_service.domain.reports import Report, ReportKind
from job_service.domain.states import JobState
from servicekit import migrations
from servicekit.database import Database
from tests.contract.job_service.conftest import Store, sql_store
from tests.fakes.jobs import ADA_CALLS

FIRST = json.loads(Path(__file__).with_name("database_0001.json").read_text())
NOW = datetime(2026, 11, 1, 13, tzinfo=UTC)
HOUR = 3_600_000
PERIOD = "2026-11"


@pytest.fixture
def old_url(database_url: str) -> str:
    """A database of the first version, as it was left."""
    migrations.upgrade("job_service", database_url)
    migrations.downgrade("job_service", database_url, "0001")
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        for name, rows in FIRST.items():
            table = sa.Table(name, sa.MetaData(), autoload_with=connection)
            if rows:
                connection.execute(table.delete())
                connection.execute(table.insert(), [_typed(table, row) for row in rows])
    engine.dispose()
    return database_url


async def test_what_an_old_version_wrote_is_all_there(old_url: str) -> None:
    """Jobs with their runs, labels in their lists, counts, statements and the timeline."""
    migrations.upgrade("job_service", old_url)
    async with sql_store(old_url) as store:
        jobs = await store.reader.jobs(JobQuery(ascending=True), None, 9)
        assert [
            ("j1", JobState.RUNNING),
            ("j2", JobState.COMPLETED),
            ("j3", JobState.PENDING),
            ("j4", JobState.CANCELLED),
        ] == [(job.id, job.state) for job in jobs]
        assert (HOUR, 1, "node-1") == (jobs[0].reserved, jobs[0].run_count, _node(jobs[0]))
        for query in (
            JobQuery(owner_id="u1", labels=(("stage", "test"),)),
            JobQuery(labels=(("stage", "test"),)),
            JobQuery(pool="training"),
        ):
            assert ["j1"] == [job.id for job in await store.reader.jobs(query, None, 9)]
        counts = await store.reader.counts(owner_id="u1")
        assert (3, 1) == (sum(counts.values()), counts[JobState.PENDING])
        assert counts == await store.reader.counts(team="engines")
        account = await store.reader.account(of_user("u1"), PERIOD)
        assert account is not None
        assert (10 * HOUR, HOUR, 4 * HOUR, HOUR // 2) == (
            account.limit,
            account.granted,
            account.reserved,
            account.used,
        )
        entries = await store.reader.entries(EntryQuery(of_user("u1")), None, 99)
        assert account.entries == len(entries)
        assert EntryKind.GRANT in {entry.kind for entry in entries}
        assert "SUBMITTED" == (await store.reader.job_events("j2", 0, 9))[0][1].kind
        assert "7" < await store.reader.position("scheduler")
        assert "" == _flaw(store)


async def test_a_job_that_ran_over_the_change_ends_well(old_url: str) -> None:
    """Its hours are settled where they were reserved; what waited can be cancelled."""
    migrations.upgrade("job_service", old_url)
    async with sql_store(old_url) as store:
        done = Report(ReportKind.SUCCEEDED, "j1", "run-j1", NOW, used=HOUR // 4)
        assert 1 == await store.run(ApplyReports((done,), "9"))
        await store.run(CancelJob("j3", ADA_CALLS, NOW, ""))
        account = await store.reader.account(of_user("u1"), PERIOD)
        assert account is not None
        assert (0, 3 * HOUR // 4) == (account.reserved, account.used)
        assert "" == _flaw(store)


async def test_going_back_leaves_what_the_old_version_knew(old_url: str) -> None:
    """To the row, whatever came since that it could not tell is gone."""
    before = _rows(old_url)
    migrations.upgrade("job_service", old_url)
    async with sql_store(old_url) as store:
        for subject in (of_team("engines"), of_user("u3")):
            limit = SetQuota(f"limit {subject}", subject, PERIOD, HOUR, "root", "new", NOW)
            await store.run(limit)
        teams = await store.reader.accounts(AccountQuery(PERIOD, teams=True), "", 9)
        assert {of_team("engines")} == {account.subject for account in teams}
    migrations.downgrade("job_service", old_url, "0001")
    after = _rows(old_url)
    assert before.keys() == after.keys()
    for name in before:
        known = [row for row in after[name] if "u3" not in row.values()]
        assert _as_promised(before[name]) == _as_promised(known), name


def _typed(table: sa.Table, row: dict[str, Any]) -> dict[str, Any]:
    """The row with bytes where the table has them."""
    binary = {it.name for it in table.columns if isinstance(it.type, sa.LargeBinary)}
    return {
        name: (bytes.fromhex(value) if name == "identity" else value.encode())
        if name in binary
        else value
        for name, value in row.items()
    }


def _rows(url: str) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables of the first version."""
    engine = sa.create_engine(url)
    found = {}
    with engine.connect() as connection:
        for name in FIRST:
            table = sa.Table(name, sa.MetaData(), autoload_with=connection)
            keys = list(table.primary_key.columns)
            rows = connection.execute(table.select().order_by(*keys)).mappings()
            found[name] = [dict(row) for row in rows]
    engine.dispose()
    return found


def _as_promised(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows but for what the entry of a settlement left, which is right from then on."""
    return [row | {"left": 0} if row.get("kind") == "SETTLE" else row for row in rows]


def _node(job: Any) -> str:
    node: str = job.run.placement.slices[0].node
    return node


def _flaw(store: Store) -> str:
    """What `check-ledger` would find."""
    assert store.storage is not None
    database: Database = store.storage.database
    return database.read_now(check).flaw
