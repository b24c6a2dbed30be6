"""What the repositories promise, whatever is behind them."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from job_service.adapters.documents import decode_event
from job_service.application.commands.batches import SubmitJobs
from job_service.application.following import ApplyReports
from job_service.application.ports import AccountQuery, EntryQuery, UnitOfWork
from job_service.domain.errors import BatchAborted, JobNotFound, QuotaExceeded
from job_service.domain.job import Job
from job_service.domain.ledger import STANDING, Account, Entry, EntryKind
from job_service.domain.reports import ReportKind
from job_service.domain.runs import Failure, FailureReason, Fault
from job_service.domain.spec import ResourceSpec, ResourceType, Simulation, Strategy
from job_service.domain.states import JobState
from servicekit.errors import Aborted
from servicekit.values import replace
from tests.contract.job_service.conftest import Store
from tests.fakes.jobs import (
    HOUR,
    NOW,
    PERIOD,
    approve_command,
    later,
    pending,
    report,
    running,
    submit_command,
    submitted,
)

ELABORATE = running(
    hours=2.5,
    args=("python", "x"),
    name="bert",
    image="pytorch",
    environment={"A": "ü", "NUL": "\x01"},
    resources=ResourceSpec(
        ResourceType.GPU, "A100", 8, 1000, 256, 64, 2, ("T4",), 40, {"zone": "b"}
    ),
    pool="training",
    provider="runpod",
    strategy=Strategy.COST,
    preemptible=True,
    labels={"team": "vision", "empty": ""},
    simulation=Simulation(timedelta(microseconds=1), 3),
).run_ended(Failure(Fault.USER, FailureReason.EXIT_CODE, "crashed", 3), 7, later())

ACCOUNT = Account("user:u1", PERIOD, 10, 5, 4, 3, 8, 1, 7)


def entry(sequence: int = 1, **changes: Any) -> Entry:
    """An entry of Ada's month."""
    usual = Entry(
        id=f"e{sequence}",
        subject="user:u1",
        period=PERIOD,
        sequence=sequence,
        kind=EntryKind.RESERVE,
        amount=HOUR,
        left=0,
        at=NOW,
        actor="root",
        reason="thesis",
        job_id="j1",
    )
    return replace(usual, **changes)


async def test_a_job_comes_back_as_it_was(store: Store) -> None:
    """Every field survives, in the same transaction, in a later one, and for readers."""
    await store.add(ELABORATE)
    assert ELABORATE.job == await store.do(lambda unit: unit.jobs.get("j1"))
    assert ELABORATE.job == await store.do(lambda unit: unit.jobs.find("j1"))
    assert ELABORATE.job == await store.reader.job("j1")


async def test_no_job_is_none(store: Store) -> None:
    """Or an error that names it, where one must be there."""
    assert await store.do(lambda unit: unit.jobs.find("j1")) is None
    for asking in (store.reader.job("j1"), store.do(lambda unit: unit.jobs.get("j1"))):
        with pytest.raises(JobNotFound) as refused:
            await asking
        assert {"job_id": "j1"} == refused.value.metadata


async def test_a_command_sees_what_it_wrote(store: Store) -> None:
    """Jobs and accounts, new and changed."""

    def work(unit: UnitOfWork) -> tuple[Job | None, Account | None]:
        unit.jobs.add(pending())
        unit.jobs.save(running())
        unit.accounts.save(ACCOUNT)
        unit.accounts.save(replace(ACCOUNT, name="Ada"))
        return unit.jobs.find("j1"), unit.accounts.find("user:u1", PERIOD)

    assert (running(), replace(ACCOUNT, name="Ada")) == await store.do(work)
    assert running() == await store.reader.job("j1")


async def test_loading_ahead_changes_nothing(store: Store) -> None:
    """It only saves reading one by one."""
    await store.add(submitted("j1"), submitted("j2"))
    await store.do(lambda unit: unit.accounts.save(ACCOUNT))

    def work(unit: UnitOfWork) -> list[Any]:
        unit.jobs.load(["j2", "j3", "j1", "j2"])
        unit.accounts.load([("user:u1", PERIOD), ("user:u2", PERIOD)])
        found = [unit.jobs.find(job_id) for job_id in ("j1", "j2", "j3")]
        return found + [unit.accounts.find(f"user:{user}", PERIOD) for user in ("u1", "u2")]

    assert [pending("j1"), pending("j2"), None, ACCOUNT, None] == await store.do(work)


async def test_an_account_belongs_to_owner_and_month(store: Store) -> None:
    """Its fields survive; others have none."""
    await store.do(lambda unit: unit.accounts.save(ACCOUNT))
    assert ACCOUNT == await store.reader.account("user:u1", PERIOD)
    assert await store.reader.account("user:u1", "2026-04") is None
    assert await store.reader.account("user:u2", PERIOD) is None


@pytest.mark.parametrize(
    "overdrawn",
    [
        replace(ACCOUNT, reserved=13),
        replace(ACCOUNT, used=12),
        replace(ACCOUNT, limit=1),
        replace(ACCOUNT, reserved=-1),
        replace(ACCOUNT, used=-1),
        replace(ACCOUNT, overrun=4),
        replace(ACCOUNT, overrun=-1),
        replace(ACCOUNT, refunded_total=2),
    ],
    ids=[
        "reserved",
        "used",
        "limit",
        "negative reservation",
        "negative use",
        "more overrun than use",
        "negative overrun",
        "totals that do not add up",
    ],
)
@pytest.mark.parametrize("new", [True, False])
async def test_an_overdrawn_account_is_refused(
    store: Store, overdrawn: Account, *, new: bool
) -> None:
    """Whatever the rules above would have let pass: the store has the last word."""
    if not new:
        await store.do(lambda unit: unit.accounts.save(ACCOUNT))
    with pytest.raises(Aborted):
        await store.do(lambda unit: unit.accounts.save(overdrawn))
    assert (None if new else ACCOUNT) == await store.reader.account("user:u1", PERIOD)


@pytest.mark.parametrize(
    "bad",
    [
        entry(2, id="e1"),
        entry(1, id="e2"),
        entry(2, amount=0),
        entry(2, amount=-1),
        entry(2, left=-1),
        entry(2, kind=EntryKind.LIMIT_CHANGE, amount=0),
    ],
    ids=["id", "sequence", "nothing", "negative", "negative rest", "the same limit"],
)
async def test_a_ledger_takes_no_entry_twice_and_none_without_amount(
    store: Store, bad: Entry
) -> None:
    """A job is charged once, however often somebody tries."""
    await store.do(lambda unit: unit.ledger.add([entry()]))
    with pytest.raises(Aborted):
        await store.do(lambda unit: unit.ledger.add([bad]))


async def test_a_ledger_takes_falling_limits_and_overruns(store: Store) -> None:
    """The only entries that go back, and that leave less than nothing."""
    taken = [
        entry(1, kind=EntryKind.LIMIT_CHANGE, amount=-HOUR),
        entry(2, kind=EntryKind.OVERRUN, left=-1),
        entry(3, kind=EntryKind.REFUND, left=-1, run_id="r1"),
    ]
    await store.do(lambda unit: unit.ledger.add(taken))
    assert taken[::-1] == await store.reader.entries(EntryQuery("user:u1"), None, 5)


async def test_an_account_may_be_overdrawn_by_what_was_never_reserved(store: Store) -> None:
    """And by no more."""
    beyond = replace(ACCOUNT, used=16, overrun=13)
    await store.do(lambda unit: unit.accounts.save(beyond))
    assert -5 == beyond.available
    with pytest.raises(Aborted):
        await store.do(lambda unit: unit.accounts.save(replace(beyond, reserved=13)))


async def test_accounts_of_a_month_come_with_the_standing_ones(store: Store) -> None:
    """By subject; a page counts subjects, not accounts."""
    accounts = [
        Account("team:a", STANDING, 5),
        Account("team:a", PERIOD, 5),
        Account("user:a", PERIOD, 1, team="looms"),
        Account("user:b", STANDING, 2),
        Account("user:b", PERIOD, 2, team="engines"),
        Account("user:c", "2026-02", 3, team="looms"),
        Account("user:d", STANDING, 4),
    ]
    for account in accounts:
        await store.do(lambda unit, it=account: unit.accounts.save(it))  # type: ignore[misc]
    users, read = AccountQuery(PERIOD), store.reader.accounts
    assert [accounts[it] for it in (2, 3, 4, 6)] == await read(users, "", 9)
    assert [accounts[it] for it in (2, 3, 4)] == await read(users, "", 2)
    assert [accounts[6]] == await read(users, "user:b", 2)
    assert accounts[:2] == await read(AccountQuery(PERIOD, teams=True), "", 9)
    assert accounts[3:5] == await read(AccountQuery(PERIOD, member_of="engines"), "", 9)


async def test_a_job_is_added_once(store: Store) -> None:
    """A second one of the same id is refused, and the first stays."""
    await store.add(submitted())
    with pytest.raises(Aborted):
        await store.add(submitted(hours=2))
    assert pending() == await store.reader.job("j1")


async def test_a_cursor_stands_where_it_was_put(store: Store) -> None:
    """For commands and for readers; one that never moved is empty."""
    assert "" == await store.reader.position("forward")
    assert "" == await store.do(lambda unit: unit.cursors.get("forward"))
    for position in ("a", "b"):
        await store.do(lambda unit, to=position: unit.cursors.move("forward", to))  # type: ignore[misc]
    assert "b" == await store.reader.position("forward")
    assert "b" == await store.do(lambda unit: unit.cursors.get("forward"))
    assert "" == await store.reader.position("scheduler")


async def test_a_refused_command_leaves_nothing(store: Store) -> None:
    """Neither job nor label, account, entry, event nor cursor."""

    def work(unit: UnitOfWork) -> None:
        unit.jobs.add(pending(labels={"team": "vision"}))
        unit.accounts.save(ACCOUNT)
        unit.ledger.add([entry()])
        unit.events.append([submitted().event])
        unit.cursors.move("forward", "a")
        raise JobNotFound("j2")

    with pytest.raises(JobNotFound):
        await store.do(work)
    await store.add(submitted())
    await store.do(lambda unit: unit.ledger.add([entry()]))
    assert await store.reader.account("user:u1", PERIOD) is None
    assert "" == await store.reader.position("forward")
    assert store.storage is None or 1 == store.storage.log.head


async def test_a_submit_over_the_quota_leaves_nothing(store: Store) -> None:
    """The whole command, over the real repositories."""
    with pytest.raises(QuotaExceeded):
        await store.run(submit_command(hours=11))
    with pytest.raises(JobNotFound):
        await store.reader.job("j1")
    assert await store.reader.account("user:u1", PERIOD) is None


async def test_an_aborted_batch_leaves_nothing(store: Store) -> None:
    """Also of the items that came before the one that was refused."""
    items = (submit_command("j1", 6), submit_command("j2", 6))
    with pytest.raises(BatchAborted):
        await store.run(SubmitJobs(items, all_or_nothing=True))
    with pytest.raises(JobNotFound):
        await store.reader.job("j1")
    assert await store.reader.account("user:u1", PERIOD) is None


async def test_submits_at_the_edge_of_a_quota_fill_it_exactly(store: Store) -> None:
    """Of forty that wait together, ten fit."""
    submits = [submit_command(f"j{number}") for number in range(40)]
    answers = await asyncio.gather(*map(store.run, submits), return_exceptions=True)
    assert 10 == sum(isinstance(answer, Job) for answer in answers)
    assert 30 == sum(isinstance(answer, QuotaExceeded) for answer in answers)
    account = await store.reader.account("user:u1", PERIOD)
    assert account is not None
    assert (10 * HOUR, 0, 11) == (account.reserved, account.available, account.entries)


async def test_reports_are_applied_once_whatever_repeats(store: Store) -> None:
    """Ten batches of the same reports, at once: one settlement."""
    await store.run(submit_command())
    await store.run(approve_command())
    told = (report(ReportKind.STARTED), report(ReportKind.SUCCEEDED, used=HOUR // 2))
    batches = [ApplyReports(told, f"p{number}") for number in range(10)]
    assert 2 == sum(await asyncio.gather(*map(store.run, batches)))
    job = await store.reader.job("j1")
    assert (JobState.COMPLETED, HOUR // 2) == (job.state, job.used)
    account = await store.reader.account("user:u1", PERIOD)
    assert account is not None
    assert (0, HOUR // 2, 4) == (account.reserved, account.used, account.entries)


async def test_the_log_tells_what_happened(database_store: Store) -> None:
    """Kind, subject, time, and that two events are of one change; all of it comes back."""
    await database_store.run(submit_command())
    await database_store.run(approve_command())
    assert database_store.storage is not None
    recorded = await database_store.storage.log.read(0)
    assert ["SUBMITTED", "APPROVED", "QUEUED"] == [event.kind for event in recorded]
    assert ["j1"] * 3 == [event.subject for event in recorded]
    assert [False, True, False] == [event.more for event in recorded]
    submitted_event, approved, queued = map(decode_event, recorded)
    assert submitted().event == submitted_event
    assert ("root", "looks fine", later()) == (approved.actor, approved.reason, approved.at)
    assert JobState.APPROVED is queued.previous_state
    assert queued.job == await database_store.reader.job("j1")


async def test_neighbours_do_not_harm_each_other(store: Store) -> None:
    """Of commands that wait together, those that break a rule of the store fail alone."""
    works = [
        store.do(partial(_overdraw, number))
        if number % 3 == 0
        else store.add(submitted(f"j{number}"))
        for number in range(9)
    ]
    answers = await asyncio.gather(*works, return_exceptions=True)
    assert [number % 3 == 0 for number in range(9)] == [isinstance(it, Aborted) for it in answers]
    for number in (1, 2, 4, 5, 7, 8):
        assert pending(f"j{number}") == await store.reader.job(f"j{number}")


def _overdraw(number: int, unit: UnitOfWork) -> None:
    unit.accounts.save(Account(f"user:u{number}", PERIOD, used=1))
