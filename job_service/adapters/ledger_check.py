"""Whether the ledger's rows still say what its rules promise, of which constraints see only a part.

Reads one state of the database, so that it can be asked while the service works.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from job_service.adapters.documents import decode_job
from job_service.adapters.tables import ACCOUNTS, JOBS, LEDGER
from job_service.adapters.unit import account_of_row
from job_service.application.commands.books import booked_keys
from job_service.domain.job import Job
from job_service.domain.ledger import MOVES, STANDING, Account, Book, EntryKind
from job_service.domain.states import ENDED, JobState
from servicekit.values import Value

Holding: TypeAlias = dict[tuple[str, str, str], int]
"""What is held, by job, subject and period."""

PORTION = 1_000


class Checked(Value, frozen=True):
    """What was looked at, and the first row that is wrong; empty if none is."""

    accounts: int
    entries: int
    reservations: int
    flaw: str = ""


def check(connection: Connection) -> Checked:
    """Looks at every account, entry and reservation, until one is wrong."""
    if connection.dialect.name == "postgresql":
        connection.execution_options(isolation_level="REPEATABLE READ")
    holding = _holding(connection)
    flaws = _flaws(connection, holding)
    return Checked(
        accounts=_count(connection, ACCOUNTS),
        entries=_count(connection, LEDGER),
        reservations=len(holding),
        flaw=next(flaws, ""),
    )


def _flaws(connection: Connection, holding: Holding) -> Iterator[str]:
    yield from _statements_that_do_not_add_up(connection)
    yield from _accounts_unlike_their_entries(connection)
    yield from _reservations_without_their_job(connection, holding)
    yield from _jobs_without_their_reservation(connection, holding)


def _statements_that_do_not_add_up(connection: Connection) -> Iterator[str]:
    """Gaps in an account's entries, and entries that leave something else than they say."""
    columns = LEDGER.c
    account = columns.subject, columns.period
    entries = sa.select(
        columns.id,
        *account,
        columns.sequence,
        columns.left,
        sa.func.row_number().over(partition_by=account, order_by=columns.sequence).label("place"),
        sa.func.sum(_into(Book.AVAILABLE))
        .over(partition_by=account, order_by=columns.sequence)
        .label("sum"),
    ).subquery()
    wrong = sa.or_(entries.c.sequence != entries.c.place, entries.c.left != entries.c.sum)
    first = (entries.c.subject, entries.c.period, entries.c.sequence)
    statement = entries.select().where(wrong).order_by(*first).limit(1)
    for row in connection.execute(statement):
        yield (
            f"ledger {row.id}: entry {row.sequence} leaves {row.left}, "
            f"but is entry {row.place} and leaves {row.sum}"
        )


def _accounts_unlike_their_entries(connection: Connection) -> Iterator[str]:
    """Books that are negative or do not sum to zero, and accounts that say otherwise."""
    columns = LEDGER.c
    sums = {book.value: sa.func.sum(_into(book)) for book in Book}
    statement = sa.select(
        columns.subject,
        columns.period,
        sa.func.count().label("entries"),
        *(total.label(name) for name, total in sums.items()),
    ).group_by(columns.subject, columns.period)
    found = {(row.subject, row.period): row for row in connection.execute(statement)}
    accounts = ACCOUNTS.select().where(ACCOUNTS.c.period != STANDING)
    for row in connection.execute(accounts).mappings():
        account = account_of_row(row)
        books = found.pop((account.subject, account.period), None)
        yield from _compared(account, books)
    for subject, period in found:
        yield f"account {subject} {period}: has entries and does not exist"


def _compared(account: Account, books: Any) -> Iterator[str]:
    name = f"account {account.subject} {account.period}"
    told = {book: int(getattr(books, book.value)) if books else 0 for book in Book}
    says = {
        Book.LIMIT: -(account.limit + account.granted),
        Book.AVAILABLE: account.available,
        Book.RESERVED: account.reserved,
        Book.USED: account.used,
    }
    if sum(says.values()) or sum(told.values()):
        yield f"{name}: its books do not sum to zero"
    if min(account.reserved, account.used, account.available + account.overrun) < 0:
        yield f"{name}: its balance is negative"
    for book, amount in says.items():
        if amount != told[book]:
            yield f"{name}: {book} is {amount} and {told[book]} by its entries"
    if account.entries != (books.entries if books else 0):
        yield f"{name}: counts {account.entries} entries and has another number"


def _holding(connection: Connection) -> Holding:
    """What the ledger holds for jobs; those that hold nothing any more are left out."""
    columns, held = LEDGER.c, sa.func.sum(_into(Book.RESERVED))
    statement = (
        sa.select(columns.job_id, columns.subject, columns.period, held.label("held"))
        .where(columns.job_id != "")
        .group_by(columns.job_id, columns.subject, columns.period)
        .having(held != 0)
    )
    rows = connection.execute(statement)
    return {(row.job_id, row.subject, row.period): int(row.held) for row in rows}


def _reservations_without_their_job(connection: Connection, holding: Holding) -> Iterator[str]:
    """What is held for a job that has ended, or that does not exist."""
    by_job = defaultdict(list)
    for key in holding:
        by_job[key[0]].append(key)
    ids = list(by_job)
    for start in range(0, len(ids), PORTION):
        part = ids[start : start + PORTION]
        rows = connection.execute(sa.select(JOBS.c.id, JOBS.c.document).where(JOBS.c.id.in_(part)))
        jobs = {row.id: decode_job(row.document) for row in rows}
        for key in (key for job_id in part for key in by_job[job_id]):
            if flaw := _unlike(jobs.get(key[0]), key, holding[key]):
                yield flaw


def _unlike(job: Job | None, key: tuple[str, str, str], held: int) -> str:
    name = f"reservation of job {key[0]} in {key[1]} {key[2]}"
    if job is None:
        return f"{name}: there is no such job"
    if job.state.ended:
        return f"{name}: the job is {job.state}"
    if held != job.reserved or key[1:] not in booked_keys(job):
        return f"{name}: holds {held}, the job says {job.reserved} in {booked_keys(job)}"
    return ""


def _jobs_without_their_reservation(connection: Connection, holding: Holding) -> Iterator[str]:
    """Unfinished jobs that hold more than the ledger knows."""
    unfinished = [state.value for state in JobState if state not in ENDED]
    after = ""
    while True:
        statement = (
            sa.select(JOBS.c.id, JOBS.c.document)
            .where(JOBS.c.state.in_(unfinished), JOBS.c.id > after)
            .order_by(JOBS.c.id)
            .limit(PORTION)
        )
        rows = connection.execute(statement).all()
        for job in (decode_job(row.document) for row in rows):
            for key in booked_keys(job):
                if job.reserved != holding.get((job.id, *key), 0):
                    yield f"job {job.id}: holds {job.reserved} in {key[0]} without an entry"
        if len(rows) < PORTION:
            return
        after = rows[-1].id


def _into(book: Book) -> sa.ColumnElement[int]:
    """What an entry brings into a book, or takes out of it."""
    change = {kind: (target is book) - (source is book) for kind, (source, target) in MOVES.items()}
    gains = [kind.value for kind in EntryKind if change[kind] > 0]
    losses = [kind.value for kind in EntryKind if change[kind] < 0]
    return sa.case(
        (LEDGER.c.kind.in_(gains), LEDGER.c.amount),
        (LEDGER.c.kind.in_(losses), -LEDGER.c.amount),
        else_=0,
    )


def _count(connection: Connection, table: sa.Table) -> int:
    statement = sa.select(sa.func.count()).select_from(table)
    return int(connection.execute(statement).scalar_one())
