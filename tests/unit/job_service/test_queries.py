"""What only reads, over a reader in memory."""

from typing import Any

import pytest

from job_service.application import queries, quotas
from job_service.application.commands.batches import Tried, Try
from job_service.application.commands.quota import Quota
from job_service.application.ports import AccountQuery, EntryQuery, JobQuery
from job_service.domain.errors import JobNotFound, QuotaExceeded
from job_service.domain.ledger import Account
from job_service.domain.states import JobState
from servicekit.errors import InvalidArgument
from servicekit.tokens import encode_page_token
from servicekit.values import replace
from tests.fakes.job_records import FakeUnit
from tests.fakes.job_service import FakeStore
from tests.fakes.jobs import (
    ADA_CALLS,
    ADMIN_CALLS,
    BOB,
    BOB_CALLS,
    HOUR,
    PERIOD,
    approve_command,
    later,
    policy,
    set_quota_command,
    submit_command,
)

MINE = JobQuery(owner_id="u1")


@pytest.fixture
def store() -> FakeStore:
    """Five jobs of Ada, one second apart."""
    store = FakeStore()
    for number in range(5):
        store.run(submit_command(f"j{number}", now=later(number)))
    return store


async def test_a_job_is_its_owners_and_the_admins(store: FakeStore) -> None:
    """To everybody else there is no such job."""
    assert "j1" == (await queries.get_job(store, ADA_CALLS, "j1")).id
    assert "j1" == (await queries.get_job(store, ADMIN_CALLS, "j1")).id
    with pytest.raises(JobNotFound):
        await queries.get_job(store, BOB_CALLS, "j1")


@pytest.mark.parametrize("size", [1, 2, 4, 5, 6])
async def test_pages_hold_everything_once(store: FakeStore, size: int) -> None:
    """In order, whatever their size; the last one has no token."""
    seen, token = [], ""
    while True:
        page = await queries.list_jobs(store, MINE, size, token)
        assert len(page.items) <= size
        seen += [job.id for job in page.items]
        token = page.next_page_token
        if not token:
            break
    assert ["j4", "j3", "j2", "j1", "j0"] == seen


async def test_pages_by_change_follow_the_change(store: FakeStore) -> None:
    """The job changed last comes first."""
    store.run(replace(approve_command("j2"), now=later(100)))
    query = replace(MINE, by_update=True)
    first = await queries.list_jobs(store, query, 1, "")
    second = await queries.list_jobs(store, query, 1, first.next_page_token)
    assert ["j2", "j4"] == [job.id for job in first.items + second.items]


async def test_a_page_token_belongs_to_its_question(store: FakeStore) -> None:
    """Another filter, or a statement instead of a list, refuses it."""
    token = (await queries.list_jobs(store, MINE, 2, "")).next_page_token
    other = replace(MINE, states=(JobState.PENDING,))
    for asked in (
        queries.list_jobs(store, other, 2, token),
        quotas.list_entries(store, EntryQuery("user:u1"), 2, token),
    ):
        with pytest.raises(InvalidArgument) as refused:
            await asked
        assert "PAGE_TOKEN_INVALID" == refused.value.reason


@pytest.mark.parametrize(
    "key",
    [
        ["x", "j1"],
        [1, 2],
        [1],
        [1, "j1", 3],
        [None, "j1"],
        [1.5, "j1"],
        [2**63, "j1"],
        [1, "a\0b"],
        [],
    ],
    ids=repr,
)
async def test_a_made_up_page_token_never_reaches_the_database(
    store: FakeStore, key: list[Any]
) -> None:
    """Its checksum is right and its key is none."""
    with pytest.raises(InvalidArgument) as refused:
        await queries.list_jobs(store, MINE, 2, encode_page_token(repr(MINE), key))
    assert "PAGE_TOKEN_INVALID" == refused.value.reason


async def test_a_statement_pages_newest_first(store: FakeStore) -> None:
    """The last page ends with the allowance."""
    first = await quotas.list_entries(store, EntryQuery("user:u1"), 4, "")
    rest = await quotas.list_entries(store, EntryQuery("user:u1"), 4, first.next_page_token)
    assert [6, 5, 4, 3, 2, 1] == [entry.sequence for entry in first.items + rest.items]
    assert "" == rest.next_page_token


async def test_an_account_that_is_not_open_shows_what_it_will_have(store: FakeStore) -> None:
    """And is not opened by looking at it."""
    unopened = await quotas.get_quota(store, "user:u2", PERIOD, policy())
    assert Quota(Account("user:u2", PERIOD, 10 * HOUR), is_default=True) == unopened
    assert ("user:u2", PERIOD) not in store.unit.accounts.by_key
    mine = await quotas.get_quota(store, "user:u1", PERIOD, policy())
    assert 5 * HOUR == mine.account.available


async def test_a_team_without_a_limit_has_no_hours_of_its_own(store: FakeStore) -> None:
    """Once it has one, every month shows it."""
    unlimited = await quotas.get_quota(store, "team:engines", PERIOD, policy())
    assert Quota(Account("team:engines", PERIOD), is_default=True) == unlimited
    store.run(set_quota_command("team:engines", 7))
    for period in (PERIOD, "2026-09"):
        quota = await quotas.get_quota(store, "team:engines", period, policy())
        assert (7 * HOUR, False) == (quota.account.available, quota.is_default)


async def test_quotas_are_listed_by_subject_with_those_not_opened_yet(store: FakeStore) -> None:
    """Users and teams apart; of the users, those of a team if one is named."""
    store.run(submit_command("j9", owner=BOB))
    for subject in ("user:u7", "team:looms", "team:engines"):
        store.run(set_quota_command(subject, 3, period="2026-04"))
    everybody = AccountQuery(PERIOD)
    first = await quotas.list_quotas(store, everybody, 2, "")
    rest = await quotas.list_quotas(store, everybody, 2, first.next_page_token)
    assert [
        ("user:u1", 10 * HOUR, True),
        ("user:u2", 10 * HOUR, True),
        ("user:u7", 3 * HOUR, False),
    ] == [(it.account.subject, it.account.limit, it.is_default) for it in first.items + rest.items]
    assert {PERIOD} == {it.account.period for it in first.items + rest.items}
    teams = await quotas.list_quotas(store, AccountQuery(PERIOD, teams=True), 5, "")
    assert ["team:engines", "team:looms"] == [it.account.subject for it in teams.items]
    members = await quotas.list_quotas(store, AccountQuery(PERIOD, member_of="looms"), 5, "")
    assert ["user:u2"] == [it.account.subject for it in members.items]


def test_a_tried_submit_minds_the_teams_limit(store: FakeStore) -> None:
    """As the submit itself would, whether the team's month is open or not."""
    for period in ("2026-04", PERIOD):
        store.run(set_quota_command("team:engines", 2, period=period))
        with pytest.raises(QuotaExceeded) as refused:
            store.run(Try(submit_command("j9", 2.5)))
        assert "team:engines" == refused.value.metadata["subject"]


def test_a_tried_submit_is_not_stored(store: FakeStore) -> None:
    """It is answered as it would be; one that would be refused is refused."""
    before = store.unit.copy()
    with pytest.raises(Tried) as tried:
        store.run(Try(submit_command("j9", 5)))
    job = tried.value.answer
    assert ("j9", JobState.PENDING, 5 * HOUR) == (job.id, job.state, job.reserved)
    with pytest.raises(QuotaExceeded):
        store.run(Try(submit_command("j9", 5.5)))
    assert before == store.unit
    assert FakeUnit() != before
