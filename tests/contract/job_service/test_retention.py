"""What is old leaves, what is needed stays, whatever is behind the ports."""

from datetime import timedelta

import pytest

from job_service.application.commands.cancelling import CancelJobs, CancelKind
from job_service.application.commands.retention import ArchiveJobs, ForgetDeadLetters, TrimLog
from job_service.application.commands.submitting import RetryJob
from job_service.application.commands.webhooks import PlanDeliveries, RecordAttempts
from job_service.application.following import ApplyReports
from job_service.application.ports import EntryQuery, JobQuery
from job_service.domain.dependencies import Dependency
from job_service.domain.errors import DependencyNotMet, JobStateForbids
from job_service.domain.reports import ReportKind
from job_service.domain.states import JobState
from job_service.domain.webhook import Attempt
from servicekit.values import replace
from tests.contract.job_service.conftest import Store
from tests.fakes.jobs import (
    ADA_CALLS,
    NOW,
    approve_command,
    cancel_command,
    later,
    policy,
    reject_command,
    report,
    spec,
    start_command,
    submit_command,
)
from tests.fakes.webhooks import HOOK, create_command, delivery

AFTER = later(10)
AUTO = policy(hours=100, auto_hours=100)


async def filled(
    store: Store, first: str = "j1", second: str = "j2", third: str = "j3", fourth: str = "j4"
) -> Store:
    """Two jobs that ended a second after NOW, one that ended later, and one that has not."""
    for job_id in (first, second, third, fourth):
        await store.run(submit_command(job_id))
    await store.run(cancel_command(first))
    await store.run(reject_command(second))
    await store.run(replace(cancel_command(third), now=later(20)))
    return store


async def test_finished_jobs_are_archived_and_still_got_by_id(store: Store) -> None:
    """Lists show them no more; unfinished and younger ones stay, and so does the ledger."""
    await filled(store)
    entries = await store.reader.entries(EntryQuery("user:u1"), None, 99)
    before = await store.reader.job("j1")
    assert ["j1", "j2"] == await store.reader.archivable(AFTER, 9)
    assert ["j1"] == await store.reader.archivable(AFTER, 1)
    assert 2 == await store.run(ArchiveJobs(("j1", "j2", "j3", "j4", "j5"), AFTER))
    assert [] == await store.reader.archivable(AFTER, 9)
    left = await store.reader.jobs(JobQuery(), None, 9)
    assert ["j3", "j4"] == sorted(job.id for job in left)
    assert before == await store.reader.job("j1")
    assert entries == await store.reader.entries(EntryQuery("user:u1"), None, 99)


async def test_an_archived_job_is_still_the_job_that_it_was(store: Store) -> None:
    """It can be submitted again and waited for, and nothing else happens to it any more."""
    await store.run(submit_command("j1", policy=AUTO))
    await store.run(ApplyReports((report(ReportKind.SUCCEEDED, at=later()),)))
    await filled(store, "j2", "j3", "j4", "j5")
    await store.run(ArchiveJobs(("j1", "j2", "j3"), AFTER))
    cancelled = await store.run(CancelJobs(("j1", "j2", "j9"), ADA_CALLS, AFTER, ""))
    assert [CancelKind.ALREADY_ENDED, CancelKind.CANCELLED, CancelKind.NOT_FOUND] == [
        it.kind for it in cancelled
    ]
    assert JobState.CANCELLED is (await store.run(cancel_command("j2"))).state
    for forbidden in (cancel_command("j1"), approve_command("j3"), start_command("j1")):
        with pytest.raises(JobStateForbids):
            await store.run(forbidden)
    again = RetryJob("j2", ADA_CALLS, AFTER, "n1", "run of n1", policy())
    assert "j2" == (await store.run(again)).origin_id
    met = spec(dependencies=(Dependency("j1"),))
    assert JobState.QUEUED is (await store.run(submit_command("j6", spec=met, policy=AUTO))).state
    never = spec(dependencies=(Dependency("j2"),))
    with pytest.raises(DependencyNotMet):
        await store.run(submit_command("j7", spec=never, policy=AUTO))


async def test_an_archived_job_is_counted_no_more(database_store: Store) -> None:
    """Neither by its owner nor altogether."""
    await filled(database_store)
    await database_store.run(ArchiveJobs(("j1", "j2"), AFTER))
    counts = await database_store.reader.counts("u1", "")
    assert {JobState.PENDING: 1, JobState.CANCELLED: 1} == {
        state: count for state, count in counts.items() if count
    }


async def test_old_events_are_trimmed_by_whole_changes(store: Store) -> None:
    """Up to the first that is young enough, in portions."""
    await store.run(submit_command("j1"))
    await store.run(approve_command("j1"))
    await store.run(submit_command("j2", now=later(20)))
    assert 0 == await store.reader.trimmable(NOW, 99)
    assert 1 == await store.reader.trimmable(later(0.5), 99)
    assert 3 == await store.reader.trimmable(AFTER, 99)
    await store.run(TrimLog(3))
    assert 0 == await store.reader.trimmable(AFTER, 99)
    assert 4 == await store.reader.trimmable(later(30), 99)


async def test_a_portion_never_ends_within_a_change(database_store: Store) -> None:
    """An approval and the queueing that it brings stay together."""
    await database_store.run(submit_command("j1"))
    await database_store.run(approve_command("j1"))
    assert [1, 1, 3] == [await database_store.reader.trimmable(AFTER, limit) for limit in (1, 2, 3)]


async def test_dead_letters_are_forgotten(store: Store) -> None:
    """Those whose last attempt is long ago; what is still tried stays."""
    await store.run(create_command())
    await store.run(PlanDeliveries((delivery(1), delivery(2), delivery(3)), 3))
    lost = NOW + timedelta(days=1)
    attempts = (
        Attempt(delivery(1).id, 0, "no answer", lost),
        Attempt(delivery(2).id, 0, "no answer", lost + timedelta(days=1)),
        Attempt(delivery(3).id, 0, "no answer", later()),
    )
    await store.run(RecordAttempts(attempts))
    dead = await store.reader.dead_letters(HOOK, None, 9)
    assert [2, 1] == [letter.revision for letter in dead]
    assert 1 == await store.run(ForgetDeadLetters(lost + timedelta(hours=1), 9))
    assert dead[:1] == await store.reader.dead_letters(HOOK, None, 9)
    assert later() + timedelta(seconds=5) == await store.reader.next_delivery_at()
