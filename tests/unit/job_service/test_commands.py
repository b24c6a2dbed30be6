"""What changes jobs and quota, over ports in memory."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from job_service.application.commands.acting import Caller
from job_service.application.commands.batches import SubmitJobs
from job_service.application.commands.cursors import MoveCursor
from job_service.application.commands.quota import GrantHours
from job_service.domain.errors import BatchAborted, JobNotFound, JobStateForbids, QuotaExceeded
from job_service.domain.job import Job
from job_service.domain.ledger import EntryKind, of_user
from job_service.domain.spec import ResourceSpec, ResourceType
from job_service.domain.states import EventKind, JobState
from servicekit.errors import Failure, InvalidArgument, invalid
from servicekit.values import replace
from tests.fakes.job_records import FakeUnit
from tests.fakes.job_service import FakeStore
from tests.fakes.jobs import (
    ADA,
    ADMIN_CALLS,
    BOB,
    BOB_CALLS,
    HOUR,
    NOW,
    PERIOD,
    approve_command,
    cancel_command,
    later,
    policy,
    reject_command,
    set_quota_command,
    spec,
    start_command,
    submit_command,
)


@pytest.fixture
def store() -> FakeStore:
    """A store in which nothing has happened."""
    return FakeStore()


def kinds(store: FakeStore) -> list[str]:
    """What the log tells."""
    return [event.kind.value for event in store.unit.events.appended]


def moves(store: FakeStore) -> list[str]:
    """What the ledger tells."""
    return [entry.kind.value for entry in store.unit.ledger.entries]


def reserved(store: FakeStore, subject: str = "user:u1") -> int:
    """What is held of a quota."""
    return store.unit.accounts.by_key[subject, PERIOD].reserved


def test_the_first_submit_opens_the_month(store: FakeStore) -> None:
    """Allowance, then reservation; the job waits for approval."""
    job = store.run(submit_command(hours=4))
    assert JobState.PENDING is job.state
    assert ["ALLOWANCE", "RESERVE"] == moves(store)
    account = store.unit.accounts.by_key["user:u1", PERIOD]
    assert (10 * HOUR, 4 * HOUR, 6 * HOUR) == (account.limit, account.reserved, account.available)
    assert ["SUBMITTED"] == kinds(store)
    assert {"j1": job} == store.unit.jobs.by_id


def test_a_second_submit_uses_the_same_account(store: FakeStore) -> None:
    """The allowance comes once a month."""
    store.run(submit_command())
    store.run(submit_command("j2"))
    assert ["ALLOWANCE", "RESERVE", "RESERVE"] == moves(store)


def test_the_next_month_begins_anew(store: FakeStore) -> None:
    """Its account has the whole allowance, the old one keeps what it holds."""
    store.run(submit_command(hours=10))
    store.run(submit_command("j2", hours=10, now=NOW + timedelta(days=31)))
    assert {("user:u1", "2026-03"), ("user:u1", "2026-04")} == set(store.unit.accounts.by_key)


def test_too_little_quota_leaves_nothing(store: FakeStore) -> None:
    """No account, job, entry or event comes of a refused submit."""
    with pytest.raises(QuotaExceeded):
        store.run(submit_command(hours=10.5))
    assert FakeUnit() == store.unit


@pytest.mark.parametrize(
    ("auto_start", "state", "told"),
    [
        (True, JobState.QUEUED, ["SUBMITTED", "APPROVED", "QUEUED"]),
        (False, JobState.APPROVED, ["SUBMITTED", "APPROVED"]),
    ],
)
def test_a_small_job_is_approved_by_rule(
    store: FakeStore, *, auto_start: bool, state: JobState, told: list[str]
) -> None:
    """At the limit exactly, the rule's name stands where an admin's would."""
    rules = policy(auto_hours=1, auto_start=auto_start)
    job = store.run(submit_command(hours=1, policy=rules))
    assert (state, "rule:gpu-hours") == (job.state, job.approved_by)
    assert told == kinds(store)


def test_a_larger_job_waits_for_an_admin(store: FakeStore) -> None:
    """Also if a rule approves smaller ones."""
    job = store.run(submit_command(hours=1.001, policy=policy(auto_hours=1)))
    assert JobState.PENDING is job.state


@pytest.mark.parametrize("kind", [kind for kind in ResourceType if kind is not ResourceType.GPU])
def test_a_job_on_other_devices_waits_for_an_admin(store: FakeStore, kind: ResourceType) -> None:
    """A limit in GPU-hours says nothing about it: it uses none, whatever it costs."""
    asked = spec(resources=ResourceSpec(resource_type=kind, count=100))
    job = store.run(submit_command(spec=asked, policy=policy(auto_hours=1000)))
    assert (JobState.PENDING, 0) == (job.state, job.reserved)


def test_without_a_limit_nothing_is_approved_by_itself(store: FakeStore) -> None:
    """Not even a job that needs no GPU."""
    assert JobState.PENDING is store.run(submit_command(hours=0)).state


def test_a_batch_refuses_each_by_itself(store: FakeStore) -> None:
    """One too large and one without sense: the others are stored, in order."""
    senseless = invalid("specs[2].priority", "less")
    items = (
        submit_command("j0", 4),
        submit_command("j1", 7),
        senseless,
        submit_command("j3", 6),
    )
    results = store.run(SubmitJobs(items, all_or_nothing=False))
    assert ["j0", "QUOTA_EXCEEDED", "FIELD_INVALID", "j3"] == [_told(it) for it in results]
    assert {"j0", "j3"} == set(store.unit.jobs.by_id)
    assert 10 * HOUR == reserved(store)


@pytest.mark.parametrize(
    ("items", "place", "reason"),
    [
        ((submit_command("j0", 4), submit_command("j1", 7)), 1, "QUOTA_EXCEEDED"),
        ((submit_command("j0", 4), invalid("specs[1].priority", "less")), 1, "FIELD_INVALID"),
    ],
    ids=["quota", "sense"],
)
def test_all_or_nothing_is_nothing(
    store: FakeStore, items: tuple[Any, ...], place: int, reason: str
) -> None:
    """The refusal says which item it was and why."""
    with pytest.raises(BatchAborted) as refused:
        store.run(SubmitJobs(items, all_or_nothing=True))
    assert (place, reason) == (refused.value.place, refused.value.cause.reason)
    assert FakeUnit() == store.unit


def test_all_or_nothing_is_all(store: FakeStore) -> None:
    """Where everything fits."""
    items = (submit_command("j0", 4), submit_command("j1", 6))
    assert ["j0", "j1"] == [it.id for it in store.run(SubmitJobs(items, all_or_nothing=True))]


def test_approval_queues_where_starts_are_automatic(store: FakeStore) -> None:
    """One command, two events, of one change."""
    store.run(submit_command())
    job = store.run(approve_command())
    assert (JobState.QUEUED, "root") == (job.state, job.approved_by)
    assert ["SUBMITTED", "APPROVED", "QUEUED"] == kinds(store)
    assert ["root", "root"] == [event.actor for event in store.unit.events.appended[1:]]


def test_approval_waits_where_starts_are_not(store: FakeStore) -> None:
    """The admin's start queues the job."""
    store.run(submit_command())
    assert JobState.APPROVED is store.run(approve_command(auto_start=False)).state
    job = store.run(start_command())
    assert JobState.QUEUED is job.state
    assert job.run is not None
    assert "run of j1" == job.run.id


VERBS: dict[str, Callable[[], Any]] = {
    "approve": approve_command,
    "reject": reject_command,
    "cancel": lambda: cancel_command(caller=ADMIN_CALLS),
    "start": start_command,
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_repeated_verb_changes_nothing(store: FakeStore, verb: str) -> None:
    """The second answer is the first one, and nothing is told twice."""
    store.run(submit_command())
    if verb == "start":
        store.run(approve_command(auto_start=False))
    first = store.run(VERBS[verb]())
    before = store.unit.copy()
    assert first == store.run(replace(VERBS[verb](), now=later(60)))
    assert before == store.unit


def test_approving_a_job_that_has_gone_on_changes_nothing(store: FakeStore) -> None:
    """Also when it was approved, queued and cancelled in the meantime."""
    store.run(submit_command())
    store.run(approve_command())
    store.run(cancel_command())
    before = store.unit.copy()
    assert JobState.CANCELLED is store.run(approve_command()).state
    assert before == store.unit


def test_approving_what_another_admin_approved_changes_nothing_until_it_has_ended(
    store: FakeStore,
) -> None:
    """From then on it is refused like any other verb."""
    other = Caller("u8", "grace", is_admin=True)
    store.run(submit_command())
    queued = store.run(approve_command())
    assert queued == store.run(approve_command(caller=other))
    store.run(cancel_command())
    with pytest.raises(JobStateForbids) as refused:
        store.run(approve_command(caller=other))
    assert "CANCELLED" == refused.value.metadata["state"]


def test_the_jobs_of_an_array_are_queued_in_their_order(store: FakeStore) -> None:
    """The first one first."""
    command = submit_command("m0", spec=spec(array_size=3), policy=policy(auto_hours=9))
    first = store.run(replace(command, more_ids=("m1", "m2")))
    assert ("m0", 0) == (first.id, first.array_index)
    submitted = [it for it in store.unit.events.appended if it.kind is EventKind.QUEUED]
    assert ["m0", "m1", "m2"] == [it.job.id for it in submitted]


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_knows_a_job_that_is_not_there(store: FakeStore, verb: str) -> None:
    """And the refusal names it."""
    with pytest.raises(JobNotFound) as refused:
        store.run(VERBS[verb]())
    assert {"job_id": "j1"} == refused.value.metadata


def test_a_strangers_job_does_not_exist(store: FakeStore) -> None:
    """Whoever may not see a job is told what somebody with a wrong id is told."""
    store.run(submit_command())
    with pytest.raises(JobNotFound) as strange:
        store.run(cancel_command(caller=BOB_CALLS))
    with pytest.raises(JobNotFound) as wrong:
        FakeStore().run(cancel_command(caller=BOB_CALLS))
    assert (wrong.value.message, wrong.value.metadata) == (
        strange.value.message,
        strange.value.metadata,
    )
    assert JobState.PENDING is store.unit.jobs.get("j1").state


@pytest.mark.parametrize("verb", ["reject", "cancel"])
def test_ending_a_job_returns_its_hours(store: FakeStore, verb: str) -> None:
    """All of them, at once."""
    store.run(submit_command(hours=4))
    job = store.run(VERBS[verb]())
    assert (0, 0) == (job.reserved, reserved(store))
    assert ["ALLOWANCE", "RESERVE", "REFUND"] == moves(store)


def test_hours_return_to_the_month_they_came_from(store: FakeStore) -> None:
    """A job that ends in April gives March its hours back."""
    store.run(submit_command(hours=4))
    store.run(replace(cancel_command(), now=NOW + timedelta(days=40)))
    assert {("user:u1", "2026-03")} == set(store.unit.accounts.by_key)
    assert 0 == reserved(store)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("reject", "approve"),
        ("reject", "cancel"),
        ("reject", "start"),
        ("cancel", "approve"),
        ("cancel", "reject"),
        ("cancel", "start"),
        ("approve", "reject"),
    ],
)
def test_a_verb_that_comes_too_late_is_refused(store: FakeStore, first: str, second: str) -> None:
    """The refusal names the state, and nothing changes."""
    store.run(submit_command())
    store.run(VERBS[first]())
    before = store.unit.copy()
    with pytest.raises(JobStateForbids) as refused:
        store.run(VERBS[second]())
    assert before.jobs.get("j1").state == refused.value.metadata["state"]
    assert before == store.unit


def test_a_grant_opens_the_month_and_adds_to_it(store: FakeStore) -> None:
    """Whoever has not submitted yet can be granted hours, too."""
    grant = GrantHours("g1", of_user(BOB.id), PERIOD, 5 * HOUR, "root", "thesis", policy(), NOW)
    account = store.run(grant).account
    assert 15 * HOUR == account.available
    allowance, granted = store.unit.ledger.entries
    assert (EntryKind.ALLOWANCE, "system") == (allowance.kind, allowance.actor)
    assert ("g1:grant", "root", "thesis") == (granted.id, granted.actor, granted.reason)


def test_a_cursor_moves(store: FakeStore) -> None:
    """And stands where it was put last."""
    store.run(MoveCursor("forward", "a"))
    store.run(MoveCursor("forward", "b"))
    assert {"forward": "b"} == store.unit.cursors.positions


def test_the_spec_of_a_job_never_changes(store: FakeStore) -> None:
    """Whatever happens to the job."""
    asked = spec(1, labels={"team": "vision"})
    store.run(submit_command(spec=asked))
    store.run(approve_command())
    store.run(cancel_command())
    assert asked == store.unit.jobs.get("j1").spec
    assert [EventKind.SUBMITTED, EventKind.APPROVED, EventKind.QUEUED, EventKind.CANCELLED] == [
        event.kind for event in store.unit.events.appended
    ]


def _told(result: Job | Failure) -> str:
    return result.id if isinstance(result, Job) else result.reason


def test_a_limited_team_is_charged_beside_its_member(store: FakeStore) -> None:
    """The same hours, in both accounts, and both get them back."""
    store.run(set_quota_command("team:engines", 3))
    job = store.run(submit_command(hours=2))
    assert job.team_charged
    assert (2 * HOUR, 2 * HOUR) == (reserved(store), reserved(store, "team:engines"))
    store.run(cancel_command())
    assert (0, 0) == (reserved(store), reserved(store, "team:engines"))


def test_a_team_without_a_limit_has_no_account(store: FakeStore) -> None:
    """Also when it gets one while the job goes on: what was not reserved is not settled."""
    store.run(submit_command())
    store.run(set_quota_command("team:engines", 3))
    store.run(cancel_command())
    team = store.unit.accounts.by_key["team:engines", PERIOD]
    assert (1, 3 * HOUR) == (team.entries, team.available)


def test_a_team_at_its_limit_refuses_a_member_with_hours_left(store: FakeStore) -> None:
    """Nothing is reserved anywhere; the refusal names the team."""
    store.run(set_quota_command("team:engines", 1))
    with pytest.raises(QuotaExceeded) as refused:
        store.run(submit_command(hours=2))
    assert "team:engines" == refused.value.metadata["subject"]
    assert ("user:u1", PERIOD) not in store.unit.accounts.by_key
    assert {} == store.unit.jobs.by_id


def test_a_limit_holds_for_coming_months(store: FakeStore) -> None:
    """Of users and teams: the next month opens with it."""
    for subject, hours in (("user:u1", 5), ("team:engines", 4)):
        store.run(set_quota_command(subject, hours, period="2026-02"))
    store.run(submit_command(hours=3))
    accounts = store.unit.accounts.by_key
    assert 2 * HOUR == accounts["user:u1", PERIOD].available
    assert HOUR == accounts["team:engines", PERIOD].available


def test_an_account_knows_its_user(store: FakeStore) -> None:
    """By the last submit's name and team."""
    store.run(submit_command("j1"))
    store.run(submit_command("j2", owner=replace(ADA, team="looms")))
    account = store.unit.accounts.by_key["user:u1", PERIOD]
    assert ("Ada", "looms") == (account.name, account.team)


def test_hours_are_not_granted_to_a_team_without_a_limit(store: FakeStore) -> None:
    """They would be a limit, which nobody meant."""
    grant = GrantHours("g1", "team:looms", PERIOD, HOUR, "root", "thesis", policy(), NOW)
    with pytest.raises(InvalidArgument):
        store.run(grant)
    store.run(set_quota_command("team:looms", 1))
    assert 2 * HOUR == store.run(grant).account.available
