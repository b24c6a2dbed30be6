"""What only reads, over a reader in memory."""

from typing import Any

import pytest

from job_service.application import queries
from job_service.application.ports import EntryQuery, JobQuery
from job_service.domain.errors import JobNotFound, QuotaExceeded
from job_service.domain.job import JobState
from servicekit.errors import InvalidArgument
from servicekit.tokens import encode_page_token
from servicekit.values import replace
from tests.fakes.job_service import FakeStore, FakeUnit
from tests.fakes.jobs import (
    ADA_CALLS,
    ADMIN_CALLS,
    BOB_CALLS,
    HOUR,
    NOW,
    PERIOD,
    approve_command,
    later,
    policy,
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
        queries.list_entries(store, EntryQuery("u1"), 2, token),
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
    first = await queries.list_entries(store, EntryQuery("u1"), 4, "")
    rest = await queries.list_entries(store, EntryQuery("u1"), 4, first.next_page_token)
    assert [6, 5, 4, 3, 2, 1] == [entry.sequence for entry in first.items + rest.items]
    assert "" == rest.next_page_token


async def test_an_account_that_is_not_open_shows_what_it_will_have(store: FakeStore) -> None:
    """And is not opened by looking at it."""
    account = await queries.get_account(store, "u2", policy(), NOW)
    assert ("u2", PERIOD, 10 * HOUR) == (account.owner_id, account.period, account.available)
    assert ("u2", PERIOD) not in store.unit.accounts.by_key
    mine = await queries.get_account(store, "u1", policy(), NOW)
    assert 5 * HOUR == mine.available


async def test_a_checked_submit_is_not_stored(store: FakeStore) -> None:
    """It has everything but an id; one that would be refused is refused."""
    before = store.unit.copy()
    job = await queries.check_submit(store, submit_command("j9", 5))
    assert ("", JobState.PENDING, 5 * HOUR) == (job.id, job.state, job.reserved)
    with pytest.raises(QuotaExceeded):
        await queries.check_submit(store, submit_command("j9", 5.5))
    assert before == store.unit
    assert FakeUnit() != before
