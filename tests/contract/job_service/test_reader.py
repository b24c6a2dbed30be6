"""What the reader promises: pages by keyset, filters, snapshots, statements."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest

from job_service.application.ports import EntryQuery, JobQuery
from job_service.domain.job import Change
from job_service.domain.ledger import EntryKind, of_user
from job_service.domain.spec import ResourceSpec
from job_service.domain.states import JobState
from servicekit.clock import to_micros
from servicekit.values import replace
from tests.contract.job_service.conftest import Store
from tests.fakes.jobs import (
    ADA,
    BOB,
    HOUR,
    NOW,
    approve_command,
    cancel_command,
    later,
    policy,
    submit_command,
    submitted,
)

EVERYTHING = JobQuery()


def a100(count: int = 1) -> ResourceSpec:
    """Some A100s."""
    return ResourceSpec(gpu_type="A100", count=count)


async def listed(store: Store, query: JobQuery, size: int) -> list[str]:
    """The ids of all jobs that match, read in pages of a size."""
    seen: list[str] = []
    after: tuple[int, str] | None = None
    while True:
        page = await store.reader.jobs(query, after, size)
        seen += [job.id for job in page]
        if len(page) < size:
            return seen
        last = page[-1]
        after = to_micros(last.updated_at if query.by_update else last.created_at), last.id


@pytest.mark.parametrize("by_update", [False, True])
@pytest.mark.parametrize("ascending", [False, True])
async def test_pages_are_complete_and_in_order(
    store: Store, *, by_update: bool, ascending: bool
) -> None:
    """Also where many jobs have the same time: the id decides."""
    times = [later(number // 4) for number in range(11)]
    changes = [submitted(f"j{number:02}", at=at) for number, at in enumerate(times)]
    # The log takes them in any order; what is listed depends on times and ids only.
    await store.add(*random.Random(5).sample(changes, len(changes)))
    query = replace(EVERYTHING, by_update=by_update, ascending=ascending)
    expected = [f"j{number:02}" for number in range(11)]
    for size in (1, 3, 4, 12):
        assert (expected if ascending else expected[::-1]) == await listed(store, query, size)


async def test_a_change_moves_a_job_in_the_order_of_changes_only(store: Store) -> None:
    """Creation never changes."""
    for number in range(3):
        await store.run(submit_command(f"j{number}"))
    await store.run(cancel_command("j1"))
    assert ["j2", "j1", "j0"] == await listed(store, EVERYTHING, 2)
    assert ["j1", "j2", "j0"] == await listed(store, replace(EVERYTHING, by_update=True), 2)


async def test_new_jobs_disturb_no_page(store: Store) -> None:
    """Whoever pages sees each job once, though others are submitted in between."""
    await store.add(*(submitted(f"j{number}", at=later(number)) for number in range(4)))
    first = await store.reader.jobs(EVERYTHING, None, 2)
    await store.add(submitted("j9", at=later(9)))
    after = to_micros(first[-1].created_at), first[-1].id
    rest = await store.reader.jobs(EVERYTHING, after, 9)
    assert ["j3", "j2", "j1", "j0"] == [job.id for job in first + rest]


BERT: dict[str, Any] = {"name": "bert-large", "labels": {"team": "vision", "stage": "dev"}}
FILTERED: list[Change] = [
    submitted("j0", **BERT, resources=a100(), pool="training"),
    submitted("j1", BOB, at=later(10), name="bert", labels={"team": "speech"}),
    submitted("j2", at=later(20), name="b%rt", labels={"stage": ""}, provider="runpod"),
    submitted("j3", at=later(30), name="BERT", resources=ResourceSpec(gpu_type="T4")),
    submitted("j4", at=later(40), name="b_rt"),
]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, "j0 j1 j2 j3 j4"),
        ({"owner_id": "u1"}, "j0 j2 j3 j4"),
        ({"owner_id": "u3"}, ""),
        ({"team": "looms"}, "j1"),
        ({"gpu_type": "A100"}, "j0"),
        ({"pool": "training"}, "j0"),
        ({"provider": "runpod"}, "j2"),
        ({"name_prefix": "bert"}, "j0 j1"),
        ({"name_prefix": "b%"}, "j2"),
        ({"name_prefix": "b_"}, "j4"),
        ({"name_prefix": "\\"}, ""),
        ({"labels": (("team", "vision"),)}, "j0"),
        ({"labels": (("team", None),)}, "j0 j1"),
        ({"labels": (("stage", None),)}, "j0 j2"),
        ({"labels": (("stage", ""),)}, "j2"),
        ({"labels": (("team", "vision"), ("stage", "dev"))}, "j0"),
        ({"labels": (("team", "speech"), ("stage", None))}, ""),
        ({"labels": (("team", "vision"), ("team", "speech"))}, ""),
        ({"created_from": later(20)}, "j2 j3 j4"),
        ({"created_to": later(20)}, "j0 j1"),
        ({"created_from": later(10), "created_to": later(30)}, "j1 j2"),
        ({"states": (JobState.PENDING,)}, "j0 j1 j2 j3 j4"),
        ({"states": (JobState.QUEUED, JobState.RUNNING)}, ""),
        ({"owner_id": "u1", "name_prefix": "b", "created_to": later(30)}, "j0 j2"),
    ],
    ids=repr,
)
async def test_conditions_must_all_hold(
    store: Store, conditions: dict[str, Any], expected: str
) -> None:
    """Names are compared as they are written, signs of search patterns included."""
    await store.add(*FILTERED)
    query = JobQuery(**conditions, ascending=True)
    assert expected.split() == await listed(store, query, 2)


async def test_states_are_those_of_now(store: Store) -> None:
    """Whatever they were before."""
    for number in range(3):
        await store.run(submit_command(f"j{number}"))
    await store.run(approve_command("j1"))
    await store.run(cancel_command("j2"))
    live = replace(EVERYTHING, states=(JobState.PENDING, JobState.QUEUED), ascending=True)
    assert ["j0", "j1"] == await listed(store, live, 5)


async def test_a_snapshot_has_unfinished_jobs_or_those_that_are_named(store: Store) -> None:
    """Oldest first, with the revision of the newest event."""
    assert (0, []) == await store.reader.snapshot(EVERYTHING, [], None, 100)
    for number in range(3):
        await store.run(submit_command(f"j{number}", now=later(-number)))
    await store.run(cancel_command("j1"))
    revision, jobs = await store.reader.snapshot(EVERYTHING, [], None, 100)
    assert (4, ["j2", "j0"]) == (revision, [job.id for job in jobs])
    revision, jobs = await store.reader.snapshot(EVERYTHING, ["j1", "j0", "j9"], None, 100)
    assert (4, ["j1", "j0"]) == (revision, [job.id for job in jobs])


async def test_a_snapshot_keeps_to_its_conditions(store: Store) -> None:
    """Those of a list; named jobs must meet them, too."""
    await store.add(*FILTERED)
    labelled = JobQuery(owner_id="u1", labels=(("team", None),))
    assert ["j0"] == [job.id for job in (await store.reader.snapshot(labelled, [], None, 100))[1]]
    named = await store.reader.snapshot(labelled, ["j0", "j1", "j2"], None, 100)
    assert (5, ["j0"]) == (named[0], [job.id for job in named[1]])
    assert (5, []) == await store.reader.snapshot(JobQuery(owner_id="u3"), [], None, 100)


@pytest.mark.parametrize(
    ("query", "ids", "expected"),
    [
        (EVERYTHING, [], "j4 j3 j1 j0"),
        (JobQuery(owner_id=ADA.id), [], "j4 j3 j1 j0"),
        (JobQuery(states=(JobState.QUEUED, JobState.COMPLETED)), [], "j3"),
        (JobQuery(states=(JobState.COMPLETED, JobState.CANCELLED)), [], ""),
        (EVERYTHING, ["j0", "j2", "j4"], "j4 j2 j0"),
    ],
)
async def test_a_snapshot_is_read_in_pages(
    store: Store, query: JobQuery, ids: list[str], expected: str
) -> None:
    """Each goes on after the one before, whatever has happened in between."""
    for number in range(5):
        await store.run(submit_command(f"j{number}", now=later(-number)))
    await store.run(cancel_command("j2"))
    await store.run(approve_command("j3"))
    found: list[str] = []
    after, jobs = None, None
    while jobs != []:
        _, jobs = await store.reader.snapshot(query, ids, after, 1)
        found += [job.id for job in jobs]
        after = (to_micros(jobs[-1].created_at), jobs[-1].id) if jobs else None
    assert expected.split() == found


async def test_a_snapshot_is_consistent_with_its_revision(store: Store) -> None:
    """While jobs are submitted: each revision stands for exactly the jobs that came up to it."""
    rules = policy(hours=1000)

    async def submit_all() -> None:
        for start in range(0, 60, 6):
            jobs = [
                submit_command(f"j{number}", policy=rules) for number in range(start, start + 6)
            ]
            await asyncio.gather(*map(store.run, jobs))

    submitting = asyncio.ensure_future(submit_all())
    seen = 0
    while not submitting.done() or seen < 60:
        revision, jobs = await store.reader.snapshot(EVERYTHING, [], None, 100)
        assert revision == len(jobs)
        assert revision >= seen
        seen = revision
        await asyncio.wait({submitting}, timeout=0)
    await submitting


async def test_a_statement_lists_every_movement_newest_first(store: Store) -> None:
    """Over the months; others' movements are not in it."""
    await store.run(submit_command("j1", 4))
    await store.run(cancel_command("j1"))
    april = NOW + timedelta(days=31)
    await store.run(submit_command("j2", 3, now=april))
    await store.run(submit_command("j3", 2, owner=BOB))
    entries = await store.reader.entries(EntryQuery(of_user(ADA.id)), None, 10)
    assert [
        ("2026-04", 2, EntryKind.RESERVE, 3 * HOUR, 7 * HOUR),
        ("2026-04", 1, EntryKind.ALLOWANCE, 10 * HOUR, 10 * HOUR),
        ("2026-03", 3, EntryKind.REFUND, 4 * HOUR, 10 * HOUR),
        ("2026-03", 2, EntryKind.RESERVE, 4 * HOUR, 6 * HOUR),
        ("2026-03", 1, EntryKind.ALLOWANCE, 10 * HOUR, 10 * HOUR),
    ] == [(it.period, it.sequence, it.kind, it.amount, it.left) for it in entries]
    assert [april, april, later(), NOW, NOW] == [entry.at for entry in entries]
    assert ["j2", "", "j1", "j1", ""] == [entry.job_id for entry in entries]


async def test_a_statement_pages_after_the_last_entry(store: Store) -> None:
    """Across the border of a month."""
    await store.run(submit_command("j1", 4))
    await store.run(submit_command("j2", 3, now=NOW + timedelta(days=31)))
    seen, after = [], None
    while page := await store.reader.entries(EntryQuery(of_user(ADA.id)), after, 1):
        seen.append((page[0].period, page[0].sequence))
        after = seen[-1]
    assert [("2026-04", 2), ("2026-04", 1), ("2026-03", 2), ("2026-03", 1)] == seen


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"job_id": "j1"}, [3, 2]),
        ({"kinds": (EntryKind.ALLOWANCE,)}, [1]),
        ({"kinds": (EntryKind.RESERVE, EntryKind.REFUND)}, [4, 3, 2]),
        ({"from_time": later(1)}, [4, 3]),
        ({"to_time": later(1)}, [2, 1]),
        ({"from_time": later(1), "to_time": later(2)}, [3]),
        ({"job_id": "j1", "kinds": (EntryKind.REFUND,)}, [3]),
    ],
    ids=repr,
)
async def test_conditions_of_a_statement_must_all_hold(
    store: Store, conditions: dict[str, Any], expected: list[int]
) -> None:
    """By job, kind and time."""
    await store.run(submit_command("j1"))
    await store.run(cancel_command("j1"))
    await store.run(submit_command("j2", now=later(2)))
    entries = await store.reader.entries(EntryQuery(of_user(ADA.id), **conditions), None, 10)
    assert expected == [entry.sequence for entry in entries]
