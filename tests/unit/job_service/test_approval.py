"""Which jobs go ahead by themselves, which need an admin, and which need two."""

from datetime import timedelta
from typing import Any

import pytest

from job_service.application.commands.approving import ExpireRequests, SetApprovalRules
from job_service.application.commands.submitting import RetryJob
from job_service.domain.approval import Decision, Rule, Rules, default_rules
from job_service.domain.errors import JobStateForbids, RulesChanged, SelfApprovalForbidden
from job_service.domain.job import Approval
from job_service.domain.runs import FailureReason, Fault
from job_service.domain.spec import ResourceSpec, ResourceType
from job_service.domain.states import EventKind, JobState
from servicekit.values import replace
from tests.fakes.job_service import FakeStore
from tests.fakes.jobs import (
    ADA_CALLS,
    ADMIN_CALLS,
    BOB_CALLS,
    HOUR,
    NOW,
    PERIOD,
    approve_command,
    cancel_command,
    later,
    pending,
    policy,
    reject_command,
    submit_command,
)

CPU = ResourceSpec(ResourceType.CPU)
ADA_RULES = replace(ADA_CALLS, is_admin=True)
BOB_RULES = replace(BOB_CALLS, is_admin=True)


def rule(name: str = "r", decision: Decision = Decision.APPROVE, **conditions: Any) -> Rule:
    """A rule with these conditions."""
    return Rule(name, decision, **conditions)


@pytest.fixture
def store() -> FakeStore:
    """An empty store."""
    return FakeStore()


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, True),
        ({"teams": frozenset({"engines"})}, True),
        ({"teams": frozenset({"looms"})}, False),
        ({"roles": frozenset({"USER", "ADMIN"})}, True),
        ({"roles": frozenset({"SERVICE"})}, False),
        ({"gpu_types": frozenset({"A100", "T4"})}, True),
        ({"gpu_types": frozenset({"A100"})}, False),
        ({"at_most": 2 * HOUR}, True),
        ({"at_most": 2 * HOUR - 1}, False),
        ({"above": 2 * HOUR}, False),
        ({"above": 2 * HOUR - 1}, True),
        ({"above": HOUR, "at_most": 3 * HOUR, "teams": frozenset({"looms"})}, False),
    ],
)
def test_a_rule_matches_where_all_its_conditions_hold(
    conditions: dict[str, Any], *, expected: bool
) -> None:
    """By team, role, every model that the job may run on, and GPU time."""
    resources = ResourceSpec(gpu_type="A100", alternative_gpu_types=("T4",))
    job = pending(hours=2, resources=resources)
    assert expected == rule(**conditions).matches(job, "USER")


def test_a_rule_of_gpu_time_says_nothing_about_other_devices() -> None:
    """However cheap they seem by it."""
    job = pending(resources=CPU)
    assert not rule(at_most=HOUR).matches(job, "USER")
    assert rule().matches(job, "USER")


def test_a_job_of_any_model_is_not_of_the_models_named() -> None:
    """It might run on another."""
    assert not rule(gpu_types=frozenset({"T4"})).matches(pending(), "USER")


def test_the_first_rule_that_matches_decides() -> None:
    """The next are not asked."""
    rules = Rules((rule("a", at_most=HOUR), rule("b"), rule("c")))
    assert ["a", "b"] == [
        found.name for hours in (1, 2) if (found := rules.first(pending(hours=hours), "USER"))
    ]
    assert Rules().first(pending(), "USER") is None


@pytest.mark.parametrize(
    ("hours", "expected"), [(1, "gpu-hours"), (1.5, None), (4, None), (4.5, "two-approvers")]
)
def test_the_settings_are_rules_too(hours: float, expected: str | None) -> None:
    """Small jobs go ahead, large ones need two admins, those between one."""
    found = default_rules(HOUR, 4 * HOUR).first(pending(hours=hours), "USER")
    assert expected == (found and found.name)
    assert () == default_rules(0, 0).rules


def test_a_job_names_the_rule_that_approved_it(store: FakeStore) -> None:
    """As its approver, in its approvals and in its event."""
    job = store.run(submit_command(policy=policy(auto_hours=1)))
    assert (JobState.QUEUED, "rule:gpu-hours") == (job.state, job.approved_by)
    assert (Approval("", "rule:gpu-hours", NOW),) == job.approvals
    assert "rule:gpu-hours" == store.unit.events.appended[1].actor


def test_a_job_names_the_rule_that_left_it_to_admins(store: FakeStore) -> None:
    """As the reason of its submission."""
    set_rules(store, rule("ask", Decision.ASK_ONE), rule("all"))
    job = store.run(submit_command(policy=policy(auto_hours=1)))
    assert (JobState.PENDING, "rule:ask", 1) == (job.state, job.asked_by, job.approvals_needed)
    [event] = store.unit.events.appended
    assert ("rule:ask", job) == (event.reason, event.job)


def test_a_rule_rejects_and_nothing_stays_reserved(store: FakeStore) -> None:
    """With its message for the owner."""
    set_rules(store, rule("none", Decision.REJECT, message="closed for the holidays"))
    job = store.run(submit_command())
    assert (JobState.REJECTED, "closed for the holidays") == (job.state, job.reject_reason)
    account = store.unit.accounts.by_key["user:u1", PERIOD]
    assert (0, HOUR, HOUR) == (account.reserved, account.reserved_total, account.refunded_total)
    assert ["SUBMITTED", "REJECTED"] == [it.kind for it in store.unit.events.appended]


def test_a_large_job_needs_two_admins(store: FakeStore) -> None:
    """The first brings it nearer, the same one again does nothing, the second lets it go."""
    store.run(submit_command(hours=5, policy=policy(two_hours=4)))
    first = store.run(approve_command(caller=ADMIN_CALLS))
    assert (JobState.PENDING, 1) == (first.state, len(first.approvals))
    assert first == store.run(approve_command(caller=ADMIN_CALLS))
    done = store.run(approve_command(caller=BOB_RULES))
    assert (JobState.QUEUED, ["root", "Bob"], "Bob") == (
        done.state,
        [it.approver for it in done.approvals],
        done.approved_by,
    )
    kinds = [event.kind for event in store.unit.events.appended]
    assert ["SUBMITTED", "PARTLY_APPROVED", "APPROVED", "QUEUED"] == kinds


def test_nobody_approves_an_own_large_job(store: FakeStore) -> None:
    """A small one, an admin may."""
    store.run(submit_command("j1", hours=5, policy=policy(two_hours=4)))
    before = store.unit.copy()
    with pytest.raises(SelfApprovalForbidden):
        store.run(approve_command("j1", caller=ADA_RULES))
    assert before == store.unit
    store.run(submit_command("j2", hours=4, policy=policy(two_hours=4)))
    assert "Ada" == store.run(approve_command("j2", caller=ADA_RULES)).approved_by


def test_a_partly_approved_job_can_be_rejected(store: FakeStore) -> None:
    """And is approved no more."""
    store.run(submit_command(hours=5, policy=policy(two_hours=4)))
    store.run(approve_command(caller=ADMIN_CALLS))
    assert JobState.REJECTED is store.run(reject_command(caller=BOB_RULES)).state
    with pytest.raises(JobStateForbids):
        store.run(approve_command(caller=BOB_RULES))


def test_undecided_requests_expire(store: FakeStore) -> None:
    """As the platform's fault, in full refunded; what was decided or is younger stays."""
    for job_id in ("j1", "j2", "j3"):
        store.run(submit_command(job_id, now=NOW if job_id != "j3" else later(50)))
    store.run(approve_command("j2"))
    before = NOW + timedelta(seconds=10)
    assert 1 == store.run(ExpireRequests(("j1", "j2", "j3", "j4"), before, later(60)))
    expired = store.unit.jobs.get("j1")
    assert JobState.FAILED is expired.state
    assert expired.failure is not None
    assert (Fault.PLATFORM, FailureReason.APPROVAL_EXPIRED) == (
        expired.failure.fault,
        expired.failure.reason,
    )
    assert 2 * HOUR == store.unit.accounts.by_key["user:u1", PERIOD].reserved
    assert EventKind.FAILED is store.unit.events.appended[-1].kind


def test_rules_are_replaced_as_a_whole(store: FakeStore) -> None:
    """Each change counts; the same rules again are none."""
    assert 1 == set_rules(store, rule("a")).version
    assert 1 == set_rules(store, rule("a"), expected=1).version
    assert Rules((rule("b"),), 2) == set_rules(store, rule("b"), expected=1)
    with pytest.raises(RulesChanged) as refused:
        set_rules(store, rule("c"), expected=1)
    assert {"expected_version": "1", "version": "2"} == refused.value.metadata


def set_rules(store: FakeStore, *rules: Rule, expected: int | None = None) -> Rules:
    """Replaces the rules and returns them."""
    found: Rules = store.run(SetApprovalRules(rules, expected, policy()))
    return found


def test_a_retry_is_judged_by_its_owners_role(store: FakeStore) -> None:
    """An admin who submits another's job again does not lend it an own role."""
    rules = Rules((rule(roles=frozenset({"ADMIN"})),))
    decides = replace(policy(), rules=rules)
    store.run(submit_command(policy=decides))
    store.run(cancel_command())
    mine = RetryJob("j1", ADA_RULES, later(), "n1", "run of n1", decides, "ADMIN")
    assert "rule:r" == store.run(mine).approved_by
    others = RetryJob("j1", BOB_RULES, later(), "n2", "run of n2", decides, "ADMIN")
    assert JobState.PENDING is store.run(others).state
