"""Lists, counts, timelines and what waits, on the fake and on both databases."""

import re
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
import sqlalchemy as sa

from job_service.adapters.job_lists import page_of_jobs
from job_service.application.commands.starting import ReleaseJobs
from job_service.application.following import ApplyReports
from job_service.application.ports import JobQuery, UnitOfWork
from job_service.domain.dependencies import Dependency
from job_service.domain.reports import ReportKind
from job_service.domain.runs import RetryRule, Run
from job_service.domain.states import EventKind, JobState
from job_service.domain.submitting import Kinship, submit
from servicekit.clock import to_micros
from servicekit.database import Database
from servicekit.errors import Aborted
from servicekit.values import replace
from tests.contract.job_service.conftest import Store
from tests.fakes.jobs import (
    ADA,
    BOB,
    NOW,
    PERIOD,
    approve_command,
    cancel_command,
    later,
    policy,
    report,
    spec,
    submit_command,
    submitted,
)

AUTO = policy(hours=100, auto_hours=100)


async def counts(store: Store, **whose: str) -> dict[JobState, int]:
    """The states that have jobs."""
    found = await store.reader.counts(**whose)
    return {state: count for state, count in found.items() if count}


async def test_jobs_are_counted_by_state_for_owner_team_and_all(store: Store) -> None:
    """Within the transaction that changes them; what is refused is not counted."""
    for job_id, owner in (("j1", ADA), ("j2", ADA), ("b1", BOB)):
        await store.run(submit_command(job_id, owner=owner))
    await store.run(approve_command("j1"))
    await store.run(ApplyReports((report(ReportKind.STARTED),)))
    await store.run(cancel_command("j2"))
    assert {JobState.RUNNING: 1, JobState.CANCELLED: 1} == await counts(store, owner_id="u1")
    assert {JobState.PENDING: 1} == await counts(store, team="looms")
    assert 3 == sum((await counts(store)).values())
    assert {} == await counts(store, owner_id="nobody")


async def test_a_job_that_changes_twice_in_a_group_is_counted_once(store: Store) -> None:
    """Where it stands in the end."""

    def twice(unit: UnitOfWork) -> None:
        change = submitted()
        unit.jobs.add(change.job)
        job, _ = change.job.cancel("Ada", "", NOW)
        unit.jobs.save(job)

    await store.do(twice)
    assert {JobState.CANCELLED: 1} == await counts(store)


async def test_earlier_runs_are_kept_the_latest_first(store: Store) -> None:
    """By pages, and each attempt once."""
    await store.run(submit_command("j1", policy=AUTO))
    for _ in range(3):
        job = await store.reader.job("j1")
        assert job.run is not None
        lost = report(ReportKind.PREEMPTED, run_id=job.run.id, used=7)
        await store.run(ApplyReports((lost,)))
    runs = await store.reader.runs("j1", 4, 2)
    assert [(3, 7), (2, 7)] == [(run.attempt, run.used) for run in runs]
    assert [1] == [run.attempt for run in await store.reader.runs("j1", 2, 9)]
    assert [] == await store.reader.runs("j9", 9, 9)

    def again(unit: UnitOfWork) -> None:
        unit.jobs.keep_run("j1", Run("another id", 1, runs[0].state, NOW))

    with pytest.raises(Aborted):
        await store.do(again)


async def test_the_timeline_of_a_job_is_its_part_of_the_log(store: Store) -> None:
    """Oldest first, from a revision on, with actor and reason."""
    await store.run(submit_command("j1"))
    await store.run(submit_command("j2"))
    await store.run(approve_command("j1"))
    await store.run(cancel_command("j1"))
    events = await store.reader.job_events("j1", 0, 9)
    kinds = [event.kind for _, event in events]
    assert [
        EventKind.SUBMITTED,
        EventKind.APPROVED,
        EventKind.QUEUED,
        EventKind.CANCELLED,
    ] == kinds
    assert ("Ada", "no longer needed") == (events[-1][1].actor, events[-1][1].reason)
    assert events[1:3] == await store.reader.job_events("j1", events[0][0], 2)
    assert [] == await store.reader.job_events("j9", 0, 9)


async def test_what_waits_for_a_job_is_found_by_it(store: Store) -> None:
    """Each once, however many of them it waits for."""
    for job_id in ("j1", "j2"):
        await store.run(submit_command(job_id, policy=AUTO))
    both = (Dependency("j1"), Dependency("j2"))
    await store.run(submit_command("j3", spec=spec(dependencies=both), policy=AUTO))
    await store.run(submit_command("j4", spec=spec(dependencies=both[1:]), policy=AUTO))
    assert ["j3"] == await store.reader.dependents(["j1"])
    assert ["j3", "j4"] == sorted(await store.reader.dependents(["j1", "j2"]))
    assert [] == await store.reader.dependents(["j3"])


async def test_what_is_due_comes_in_order_and_page_by_page(store: Store) -> None:
    """Also where many are due at the same moment; what went on is due no longer."""
    for job_id, wait in (("j3", 2), ("j1", 2), ("j2", 1), ("j4", 9)):
        asked = spec(not_before=later(wait))
        await store.run(submit_command(job_id, spec=asked, policy=AUTO))
    await store.run(submit_command("j5", policy=AUTO))
    failed = report(ReportKind.PLATFORM_FAILED, "j5", at=NOW)
    await store.run(ApplyReports((failed,), "", RetryRule(1, backoff=timedelta(seconds=3))))
    first = await store.reader.due((NOW, ""), later(3), 2)
    assert [(later(1), "j2"), (later(2), "j1")] == first
    assert [(later(2), "j3"), (later(3), "j5")] == await store.reader.due(first[-1], later(3), 9)
    await store.run(ReleaseJobs(("j1", "j2", "j3", "j5"), AUTO, later(3)))
    assert [(later(9), "j4")] == await store.reader.due((NOW, ""), later(99), 9)


def of_array(place: int) -> Any:
    """A job of an array."""
    at = later(place)
    return submit(f"m{place}", ADA, spec(array_size=3), PERIOD, at, Kinship("", "m0", place))


async def test_the_jobs_of_an_array_are_listed_together(store: Store) -> None:
    """Those of another and those that stand alone are not."""
    await store.add(*(of_array(place) for place in range(3)), submitted("j1"))
    jobs = await store.reader.jobs(JobQuery(array_id="m0", ascending=True), None, 9)
    assert [("m0", 0), ("m1", 1), ("m2", 2)] == [(it.id, it.array_index) for it in jobs]


QUERIES = {
    "everything": JobQuery(),
    "own": JobQuery(owner_id="u1"),
    "own of a state": JobQuery(owner_id="u1", states=(JobState.RUNNING,)),
    "own of two states": JobQuery(owner_id="u1", states=(JobState.PENDING, JobState.FAILED)),
    "own by change": JobQuery(owner_id="u1", by_update=True),
    "own with a label": JobQuery(owner_id="u1", labels=(("run", "7"),)),
    "own on a device": JobQuery(owner_id="u1", gpu_type="A100"),
    "of a state": JobQuery(states=(JobState.PENDING,)),
    "by change": JobQuery(by_update=True),
    "of a team": JobQuery(team="engines"),
    "of a device": JobQuery(gpu_type="A100"),
    "of a pool": JobQuery(pool="training"),
    "of a provider": JobQuery(provider="runpod"),
    "of an array": JobQuery(array_id="m0"),
    "with a label": JobQuery(labels=(("run", "7"),)),
    "since": JobQuery(created_from=NOW),
}
INDEXES = {
    "own": "jobs_by_owner",
    "own of a state": "jobs_by_owner",
    "own of two states": "jobs_by_owner",
    "own by change": "jobs_by_owner_update",
    "own with a label": "job_labels_by_owner",
    "own on a device": "jobs_by_owner",
    "by change": "jobs_by_update",
    "of a team": "jobs_by_team",
    "of a device": "jobs_by_gpu_type",
    "of a pool": "jobs_by_pool",
    "of a provider": "jobs_by_provider",
    "of an array": "jobs_by_array_id",
    "with a label": "job_labels_by_value",
}


async def test_every_list_walks_an_index_in_its_order(database_store: Store) -> None:
    """Neither reads a table from end to end nor, but for a few merged rows, sorts."""
    assert database_store.storage is not None
    database = database_store.storage.database
    for name, query in QUERIES.items():
        index = INDEXES.get(name, "jobs_by_state")
        for ascending, after in product((False, True), (None, (to_micros(NOW), "j"))):
            asked = replace(query, ascending=ascending)
            plan = await _plan(database, page_of_jobs(asked, after, 51))
            # Without statistics PostgreSQL may as well walk the index by device.
            assert index in plan or (name == "own on a device" and "jobs_by_gpu_type" in plan), name
            assert not re.search(r"Seq Scan on job|SCAN (jobs|job_labels)$", plan, re.M), name
            if index not in ("jobs_by_state", "jobs_by_owner"):
                assert not re.search("TEMP B-TREE|Sort", plan), name


async def _plan(database: Database, statement: sa.Select[Any]) -> str:
    """How the database would run a statement, without whole small tables."""
    text = str(
        statement.compile(dialect=database.writing.dialect, compile_kwargs={"literal_binds": True})
    )

    def explain(connection: sa.Connection) -> str:
        if database.is_sqlite:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
            return "".join(f"{row[-1]}\n" for row in rows)
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        rows = connection.exec_driver_sql(f"EXPLAIN {text.replace('%', '%%')}").all()
        return "".join(f"{row[0]}\n" for row in rows)

    return await database.read(explain)
