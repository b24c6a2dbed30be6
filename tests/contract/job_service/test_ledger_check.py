"""The checker: silent about sound books, and pointing at the first row that is not."""

import pytest
import sqlalchemy as sa

from job_service.adapters.ledger_check import Checked, check
from job_service.adapters.tables import ACCOUNTS, JOBS, LEDGER
from job_service.application.following import ApplyReports
from job_service.domain.reports import ReportKind
from tests.contract.job_service.conftest import Store
from tests.fakes.jobs import (
    HOUR,
    approve_command,
    cancel_command,
    report,
    set_quota_command,
    submit_command,
)


async def filled(store: Store) -> Store:
    """Books with every kind of entry but an overrun: of jobs that wait, ended, and of a team."""
    await store.run(set_quota_command("team:engines", 8))
    for job_id in ("j1", "j2", "j3"):
        await store.run(submit_command(job_id))
    await store.run(approve_command("j1"))
    told = (report(ReportKind.STARTED), report(ReportKind.SUCCEEDED, used=HOUR // 2))
    await store.run(ApplyReports(told, "p"))
    await store.run(cancel_command("j2"))
    await store.run(set_quota_command("team:engines", 6, change="less"))
    return store


def checked(store: Store) -> Checked:
    """What the checker says."""
    assert store.storage is not None
    return store.storage.database.read_now(check)


async def test_sound_books_are_sound(database_store: Store) -> None:
    """Three accounts, one of them the standing one; two reservations of the job that waits."""
    assert Checked(0, 0, 0) == checked(database_store)
    await filled(database_store)
    assert Checked(accounts=3, entries=15, reservations=2) == checked(database_store)


SABOTAGE = {
    "an entry is missing": (
        LEDGER.delete().where(LEDGER.c.id == "j2/1:reserve"),
        "ledger j3/1:reserve: entry 4 leaves",
    ),
    "an amount was changed": (
        LEDGER.update().where(LEDGER.c.id == "j1/1:reserve:team").values(amount=1),
        "ledger j1/1:reserve:team",
    ),
    "an account was changed": (
        ACCOUNTS.update()
        .where(ACCOUNTS.c.subject == "user:u1")
        .values(reserved=0, refunded_total=ACCOUNTS.c.refunded_total + HOUR),
        "account user:u1 2026-03: AVAILABLE is",
    ),
    "an account is missing": (
        ACCOUNTS.delete().where(ACCOUNTS.c.subject == "team:engines"),
        "account team:engines 2026-03: has entries",
    ),
    "a job is missing": (
        JOBS.delete().where(JOBS.c.id == "j3"),
        "reservation of job j3 in team:engines 2026-03: there is no such job",
    ),
}


@pytest.mark.parametrize("what", SABOTAGE)
async def test_what_is_wrong_is_named(database_store: Store, what: str) -> None:
    """Whoever reached into the rows."""
    statement, expected = SABOTAGE[what]
    await filled(database_store)
    reach_in(database_store, statement)
    assert checked(database_store).flaw.startswith(expected)


async def test_a_job_that_holds_what_nobody_booked_is_named(database_store: Store) -> None:
    """Though no entry is wrong."""
    await filled(database_store)
    reach_in(database_store, LEDGER.delete())
    reach_in(database_store, ACCOUNTS.delete())
    assert "job j3: holds 3600000 in user:u1 without an entry" == checked(database_store).flaw


async def test_a_reservation_of_a_job_that_ended_is_named(database_store: Store) -> None:
    """As if the refund had been forgotten."""
    await filled(database_store)
    ended = sa.select(JOBS.c.document).where(JOBS.c.id == "j2").scalar_subquery()
    reach_in(database_store, JOBS.update().where(JOBS.c.id == "j3").values(document=ended))
    assert checked(database_store).flaw.endswith("the job is CANCELLED")


def reach_in(store: Store, statement: sa.Executable) -> None:
    """Changes rows past every rule but the constraints."""
    assert store.storage is not None
    with store.storage.database.writing.begin() as connection:
        connection.execute(statement)
