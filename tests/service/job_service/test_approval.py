"""Approval rules and two approvers, over a true server."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpuaas.api.v1 import money_pb2
from gpuaas.job.v1 import approval_rule_pb2, job_pb2, run_pb2
from gpuaas.job.v1 import approval_service_pb2 as pb
from servicekit.clock import ManualClock
from servicekit.errors import Aborted, Failure, InvalidArgument, PermissionDenied
from servicekit.identity import Role
from tests.fakes.jobs import HOUR
from tests.service.job_service.conftest import House, Open

Rule = approval_rule_pb2.ApprovalRule
State = job_pb2.JobState


async def set_rules(house: House, *rules: Rule, **fields: Any) -> pb.SetApprovalRulesResponse:
    """Sets the rules as an admin."""
    request = pb.SetApprovalRulesRequest(rules=rules, **fields)
    return await house.approvals.SetApprovalRules(request, **house.by("root"))


async def test_rules_decide_about_new_jobs(house: House) -> None:
    """By role, model and GPU time; the first that matches; each job says which."""
    rules = [
        Rule(name="no-t4", decision=Rule.DECISION_REJECT, gpu_types=["T4"], message="T4s are gone"),
        Rule(name="big", decision=Rule.DECISION_ASK_TWO, above_milli_gpu_seconds=4 * HOUR),
        Rule(name="staff", decision=Rule.DECISION_APPROVE, roles=["ADMIN"]),
        Rule(name="small", decision=Rule.DECISION_APPROVE, max_milli_gpu_seconds=HOUR),
    ]
    stored = await set_rules(house, *rules)
    assert (rules, 1) == (list(stored.rules), stored.version)
    listed = await house.approvals.ListApprovalRules(
        pb.ListApprovalRulesRequest(), **house.by("root")
    )
    assert (rules, 1) == (list(listed.rules), listed.version)

    refused = await house.submit(gpu_type="T4")
    assert (State.JOB_STATE_REJECTED, "T4s are gone") == (refused.state, refused.reject_reason)
    small = await house.submit()
    assert (State.JOB_STATE_QUEUED, "rule:small") == (small.state, small.approved_by)
    assert [("", "rule:small")] == [(it.approver_id, it.approver) for it in small.approvals]
    assert State.JOB_STATE_PENDING == (await house.submit(estimated_hours=2)).state
    assert "rule:staff" == (await house.submit("root", estimated_hours=2)).approved_by
    assert State.JOB_STATE_PENDING == (await house.submit("root", estimated_hours=5)).state
    assert 3.0 == (await house.quota()).reserved_gpu_hours


async def test_the_settings_are_listed_as_rules(open_house: Open) -> None:
    """Version 0, until somebody sets others."""
    async with open_house(auto_approve_gpu_hours=2.0, two_approvers_gpu_hours=8.0) as house:
        listed = await house.approvals.ListApprovalRules(
            pb.ListApprovalRulesRequest(), **house.by("root")
        )
        assert 0 == listed.version
        assert [
            ("gpu-hours", Rule.DECISION_APPROVE, 2 * HOUR, 0),
            ("two-approvers", Rule.DECISION_ASK_TWO, 0, 8 * HOUR),
        ] == [
            (it.name, it.decision, it.max_milli_gpu_seconds, it.above_milli_gpu_seconds)
            for it in listed.rules
        ]


async def test_rules_survive_and_mind_their_version(open_either: Open) -> None:
    """Two admins do not overwrite each other unawares."""
    async with open_either() as house:
        await set_rules(house, Rule(name="all", decision=Rule.DECISION_APPROVE), expected_version=0)
        with pytest.raises(Aborted) as refused:
            await set_rules(house, expected_version=0)
        assert "CONCURRENT_CHANGE" == refused.value.reason
    async with open_either() as house:
        assert "rule:all" == (await house.submit()).approved_by
        assert 2 == (await set_rules(house, expected_version=1)).version
        assert State.JOB_STATE_PENDING == (await house.submit()).state


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ([Rule(decision=Rule.DECISION_APPROVE)], "rules[0].name"),
        ([Rule(name="a")], "rules[0].decision"),
        ([Rule(name="a", decision=Rule.DECISION_APPROVE)] * 2, "rules"),
        ([Rule(name="a", decision=Rule.DECISION_APPROVE, roles=["root"])], "rules[0].roles"),
        ([Rule(name="a", decision=Rule.DECISION_APPROVE, teams=[""])], "rules[0].teams"),
        (
            [Rule(name="a", decision=Rule.DECISION_APPROVE, max_milli_gpu_seconds=-1)],
            "rules[0].max_milli_gpu_seconds",
        ),
        ([Rule(name=f"r{it}", decision=Rule.DECISION_APPROVE) for it in range(101)], "rules"),
    ],
)
async def test_rules_that_make_no_sense_are_refused(
    house: House, rules: list[Rule], field: str
) -> None:
    """With the field that it is about; none is stored."""
    with pytest.raises(InvalidArgument) as refused:
        await set_rules(house, *rules)
    assert field == refused.value.metadata["field"]


async def test_a_rule_goes_by_what_a_job_costs_at_most(house: House) -> None:
    """By the price of its devices and the time that it reserves; what has no price waits."""
    await house.gpu_types_known()
    cheap = Rule(
        name="cheap",
        decision=Rule.DECISION_APPROVE,
        max_cost=money_pb2.Money(currency_code="USD", micros=5_000_000),
    )
    stored = await set_rules(house, cheap)
    assert [cheap] == list(stored.rules)
    within = await house.submit(gpu_type="A100", estimated_hours=2.0)
    beyond = await house.submit(gpu_type="A100", estimated_hours=2.001)
    unknown = await house.submit(gpu_type="T4", estimated_hours=0.1)
    assert ["rule:cheap", "", ""] == [it.approved_by for it in (within, beyond, unknown)]


@pytest.mark.parametrize(
    ("cost", "field"),
    [
        (money_pb2.Money(micros=-1, currency_code="USD"), "rules[0].max_cost.micros"),
        (money_pb2.Money(micros=1, currency_code="usd"), "rules[0].max_cost.currency_code"),
        (money_pb2.Money(micros=1, currency_code="EUR"), "rules[0].max_cost.currency_code"),
    ],
)
async def test_a_cost_that_no_job_could_be_compared_with_is_refused(
    house: House, cost: money_pb2.Money, field: str
) -> None:
    """Less than nothing, no currency, or another than that of the prices."""
    await house.gpu_types_known()
    rule = Rule(name="a", decision=Rule.DECISION_APPROVE, max_cost=cost)
    with pytest.raises(InvalidArgument) as refused:
        await set_rules(house, rule)
    assert {"field": field} == refused.value.metadata


async def test_only_admins_see_and_set_rules(house: House) -> None:
    """A user is refused by role."""
    for call in (
        house.approvals.ListApprovalRules(pb.ListApprovalRulesRequest(), **house.by("ada")),
        house.approvals.SetApprovalRules(pb.SetApprovalRulesRequest(), **house.by("ada")),
    ):
        with pytest.raises(PermissionDenied):
            await call


async def test_a_large_job_takes_two_admins_and_not_its_owner(open_house: Open) -> None:
    """Its approvals are told one by one, and while it waits, how many are missing."""
    async with open_house(two_approvers_gpu_hours=4.0) as house:
        house.tokens["grace"] = house.identities.token("grace", Role.ADMIN)
        job = await house.submit("grace", estimated_hours=5)
        with pytest.raises(PermissionDenied) as refused:
            await house.approve(job.id, "grace")
        assert "SELF_APPROVAL_FORBIDDEN" == refused.value.reason
        house.tokens["alan"] = house.identities.token("alan", Role.ADMIN)
        first = await house.approve(job.id, "root", comment="fine by me")
        assert State.JOB_STATE_PENDING == first.state
        assert first == await house.approve(job.id, "root")
        assert [
            (job_pb2.WaitingReason.KIND_APPROVAL, text)
            for text in (
                "Waits for the approvals of 2 admins, none of them its owner.",
                "Approved by root; a second approver is missing.",
            )
        ] == [(it.waiting.kind, it.waiting.message) for it in (job, await house.get(job.id))]
        second = await house.approve(job.id, "alan")
        assert State.JOB_STATE_QUEUED == second.state
        assert [("root", "fine by me"), ("alan", "")] == [
            (it.approver, it.comment) for it in second.approvals
        ]


async def test_a_request_about_which_nobody_decides_expires(open_house: Open) -> None:
    """As the platform's fault; its hours come back."""
    clock = ManualClock(datetime.now(UTC))
    async with open_house(clock) as house:
        job = await house.submit()
    clock.advance(timedelta(hours=2))
    async with open_house(clock, approval_patience_hours=1.0) as house:
        later = {"iat": clock.now(), "exp": clock.now() + timedelta(hours=1)}
        house.tokens["root"] = house.identities.token("root", Role.ADMIN, **later)
        ended = await house.until(job.id, State.JOB_STATE_FAILED)
        assert run_pb2.FAILURE_REASON_APPROVAL_EXPIRED == ended.failure.reason
        assert run_pb2.FAULT_PARTY_PLATFORM == ended.failure.fault
        with pytest.raises(Failure):
            await house.approve(job.id)
