"""`make bench-lists`: pages of 50 and counts among a million jobs, in the database itself.

Each kind of list is asked for again and again, in the first page and deep inside, on SQLite and on
PostgreSQL, by the very statements that the service has. Of each the 99th percentile is told, as the
processor time of asking on SQLite, which works in this process, and as the time that the server
itself says the statement took on PostgreSQL. There the time also passes while other processes have
the processor: every page is asked for three times and the quickest counts, and the table says how
many blocks the greediest one touched, which nothing else on the machine can change.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bench import report
from bench.systems import scratch_folder
from job_service.adapters.documents import encode_job
from job_service.adapters.job_lists import page_of_jobs
from job_service.adapters.job_rows import EVERYBODY
from job_service.adapters.tables import JOB_COUNTS, JOB_LABELS, JOBS
from job_service.application.ports import JobQuery
from job_service.domain.job import Job, Owner
from job_service.domain.spec import JobSpec, ResourceSpec
from job_service.domain.states import JobState
from local.postgres import Postgres
from servicekit import migrations
from servicekit.clock import to_micros
from servicekit.database import Database
from servicekit.values import replace

PAGE = 50
ASKED = 3
CHUNK = 5000
START = datetime(2026, 1, 1, tzinfo=UTC)
APART = timedelta(seconds=1)
STATES = {
    JobState.COMPLETED: 900,
    JobState.FAILED: 60,
    JobState.CANCELLED: 20,
    JobState.REJECTED: 10,
    JobState.QUEUED: 6,
    JobState.RUNNING: 3,
    JobState.PENDING: 1,
}
"""How many of a thousand jobs are in each state."""
TYPES = ["A100", "H100", "T4", "V100", ""]
OWNERS, TEAMS, HEAVY = 500, 20, "u0"
"""One user of five hundred has a fifth of all jobs."""


@dataclass(frozen=True, slots=True)
class Options:
    """How many jobs there are, and how often each list is asked for."""

    rows: int
    times: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What one statement, or the 99th percentile of many, takes.

    ``blocks`` are those of 8 KiB that PostgreSQL touched, of many statements the most; SQLite does
    not say.
    """

    ms: float
    blocks: int = 0


def main() -> None:
    """Fills both databases, measures, and reports."""
    options = parse()
    with scratch_folder() as folder:
        on_sqlite = measure(f"sqlite:///{Path(folder) / 'lists.db'}", options)
        with Postgres() as server:
            on_postgres = measure(server.create_database("lists"), options)
    rows = [
        [name, f"{on_sqlite[name].ms:.2f}", f"{it.ms:.2f}", f"{it.blocks:,}"]
        for name, it in on_postgres.items()
    ]
    title = f"99th percentile in ms of {options.times} times each, among {options.rows:,} jobs"
    report.show(title, ["", "SQLite", "PostgreSQL", "blocks"], rows)
    pages = [name for name in on_sqlite if name != COUNTS]
    report.finish(
        {
            "rows": options.rows,
            "page_p99_ms_sqlite": max(on_sqlite[name].ms for name in pages),
            "page_p99_ms_postgres": max(on_postgres[name].ms for name in pages),
            "counts_p99_ms": max(on_sqlite[COUNTS].ms, on_postgres[COUNTS].ms),
        }
    )


def parse() -> Options:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.lists", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="jobs (default: 1,000,000)")
    parser.add_argument("--times", type=int, default=200, help="of each list (default: 200)")
    given = parser.parse_args()
    return Options(given.rows, given.times)


COUNTS = "counts by state"
OWN = JobQuery(owner_id=HEAVY)
LISTS = {
    "own": OWN,
    "own, queued": replace(OWN, states=(JobState.QUEUED,)),
    "own, unfinished": replace(OWN, states=(JobState.PENDING, JobState.QUEUED, JobState.RUNNING)),
    "own, failed or cancelled": replace(OWN, states=(JobState.FAILED, JobState.CANCELLED)),
    "own, by change": replace(OWN, by_update=True),
    "own, on an A100": replace(OWN, gpu_type="A100"),
    "own, with a label": replace(OWN, labels=(("sweep", "7"),)),
    "own of another user": JobQuery(owner_id="u77"),
    "all": JobQuery(),
    "all, pending": JobQuery(states=(JobState.PENDING,)),
    "all, by change": JobQuery(by_update=True),
    "all of a team": JobQuery(team="team 3"),
    "all on an A100": JobQuery(gpu_type="A100"),
    "all in a pool": JobQuery(pool="training"),
    "all with a label": JobQuery(labels=(("sweep", "7"),)),
}


def measure(url: str, options: Options) -> dict[str, Cost]:
    """The 99th percentiles by list."""
    migrations.upgrade("job_service", url)
    database = Database(url)
    fill(database, options.rows)
    figures = {}
    chance = random.Random(7)
    for name, query in LISTS.items():
        figures[name] = p99(
            [
                ask(database, page_of_jobs(query, after, PAGE + 1))
                for after in deep(options, query, chance)
            ]
        )
    counts = JOB_COUNTS.select().where(JOB_COUNTS.c.scope == EVERYBODY)
    figures[COUNTS] = p99([ask(database, counts) for _ in range(options.times)])
    database.close()
    return figures


def deep(
    options: Options, query: JobQuery, chance: random.Random
) -> Iterator[tuple[int, str] | None]:
    """Where pages begin: one of four is the first one."""
    for turn in range(options.times):
        at = START + APART * chance.randrange(options.rows)
        yield None if turn % 4 == 0 else (to_micros(at), "")


def ask(database: Database, statement: sa.Select[Any]) -> Cost:
    """What a statement takes, all of its rows read: the quickest of a few times."""
    cost = _timed if database.is_sqlite else _explained
    asked = [database.read_now(lambda it: cost(it, statement)) for _ in range(ASKED)]
    return min(asked, key=lambda it: it.ms)


def p99(costs: Sequence[Cost]) -> Cost:
    """The 99th percentile, as the slowest but one of a hundred."""
    times = [it.ms for it in costs]
    slow = statistics.quantiles(times, n=100, method="inclusive")[98]
    return Cost(slow, max(it.blocks for it in costs))


def fill(database: Database, rows: int) -> None:
    """Adds jobs, a fifth of them with a label, and what counts them."""
    counted = dict.fromkeys(JobState, 0)
    with database.writing.begin() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        add = _adder(connection)
        for first in range(0, rows, CHUNK):
            jobs = [_row(place, counted) for place in range(first, min(first + CHUNK, rows))]
            add(JOBS, jobs)
            labels = [
                {
                    "job_id": row["id"],
                    "key": "sweep",
                    "value": str(place % 97),
                    "owner_id": row["owner_id"],
                    "created_at": row["created_at"],
                }
                for place, row in enumerate(jobs)
                if place % 5 == 0
            ]
            add(JOB_LABELS, labels)
        add(JOB_COUNTS, [{"scope": EVERYBODY, **{it.lower(): n for it, n in counted.items()}}])
    with database.writing.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE" if database.is_sqlite else "VACUUM ANALYZE")


def _row(place: int, counted: dict[JobState, int]) -> dict[str, Any]:
    """A job that looks as if it had come at its time, among five hundred users."""
    chance = random.Random(place)
    state = chance.choices(list(STATES), list(STATES.values()))[0]
    counted[state] += 1
    number = 0 if chance.random() < 0.2 else chance.randrange(OWNERS)
    created = START + APART * place
    updated = created + timedelta(seconds=chance.randrange(100_000))
    job = replace(
        _TEMPLATE,
        id=f"01990000-0000-7000-8000-{place:012d}",
        owner=Owner(f"u{number}", f"user{number}", f"team {number % TEAMS}"),
        state=state,
        created_at=created,
        updated_at=updated,
    )
    return {
        "id": job.id,
        "version": 1,
        "owner_id": job.owner.id,
        "team": job.owner.team,
        "state": state.value,
        "name": job.spec.name,
        "gpu_type": chance.choice(TYPES),
        "pool": "training" if number % 2 else "",
        "provider": "",
        "created_at": to_micros(created),
        "updated_at": to_micros(updated),
        "document": encode_job(job),
        "array_id": "",
        "due_at": None,
    }


_TEMPLATE = Job(
    "",
    Owner("", "", ""),
    JobSpec(
        command="python train.py --epochs 90 --data /data/imagenet",
        resources=ResourceSpec(gpu_type="A100"),
        estimated_duration=timedelta(hours=1),
        max_runtime=timedelta(hours=1),
        name="python",
        labels={"sweep": "7"},
    ),
    JobState.COMPLETED,
    START,
    START,
    reserved=0,
    period="2026-01",
)


def _adder(connection: sa.Connection) -> Callable[[sa.Table, list[dict[str, Any]]], None]:
    """What adds many rows at once: COPY on PostgreSQL."""
    if connection.dialect.name == "sqlite":

        def insert(table: sa.Table, rows: list[dict[str, Any]]) -> None:
            connection.execute(table.insert(), rows)

        return insert
    cursor: Any = connection.connection.cursor()

    def copy(table: sa.Table, rows: list[dict[str, Any]]) -> None:
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        with cursor.copy(f'COPY "{table.name}" ({columns}) FROM STDIN') as copying:
            for row in rows:
                copying.write_row([row[column.name] for column in table.columns])

    return copy


def _timed(connection: sa.Connection, statement: sa.Select[Any]) -> Cost:
    began = time.process_time()
    connection.execute(statement).all()
    return Cost(1000 * (time.process_time() - began))


def _explained(connection: sa.Connection, statement: sa.Select[Any]) -> Cost:
    text = str(
        statement.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    ).replace("%", "%%")
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}"
    [([plan],)] = connection.exec_driver_sql(explain).all()
    touched = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    return Cost(plan["Execution Time"] + plan["Planning Time"], touched)


if __name__ == "__main__":
    main()
