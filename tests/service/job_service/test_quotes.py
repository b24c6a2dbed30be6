"""Quotes over a true server, and what their tokens are worth in a submit."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpuaas.api.v1 import money_pb2
from gpuaas.job.v1 import approval_rule_pb2, approval_service_pb2, job_pb2
from gpuaas.job.v1 import job_service_pb2 as pb
from gpuaas.scheduler.v1 import scheduler_service_pb2
from servicekit.clock import ManualClock
from servicekit.errors import FailedPrecondition, Failure, InvalidArgument, Kind, NotFound
from servicekit.wellknown import timestamp
from tests.fakes.jobs import HOUR
from tests.service.job_service.conftest import NOTHING, House, Open, State
from tests.service.job_service.scheduler import finished, started

Rule = approval_rule_pb2.ApprovalRule
Answer = scheduler_service_pb2.QuoteWorkloadResponse
SPEC = job_pb2.JobSpec(command="python train.py", labels={"a": "1", "b": "2"})
SOON, LATE = datetime(2026, 3, 1, 14, 20, tzinfo=UTC), datetime(2026, 3, 1, 14, 35, tzinfo=UTC)


def usd(micros: int) -> money_pb2.Money:
    """So many millionths of a dollar."""
    return money_pb2.Money(micros=micros, currency_code="USD")


async def quoted(house: House, by: str = "ada", **fields: Any) -> pb.QuoteJobResponse:
    """Quotes a job of one GPU for an hour."""
    request = pb.QuoteJobRequest(**(fields or {"spec": SPEC}))
    return await house.jobs.QuoteJob(request, **house.by(by))


async def set_rules(house: House, *rules: Rule) -> None:
    """Sets the rules as an admin."""
    request = approval_service_pb2.SetApprovalRulesRequest(rules=rules)
    await house.approvals.SetApprovalRules(request, **house.by("root"))


def waiting() -> Answer:
    """What the scheduler says of a job that would wait and stop and delay others."""
    answer = Answer(
        verdict=Answer.VERDICT_WAITS,
        start_p50=timestamp(SOON),
        start_p90=timestamp(LATE),
        cost_low=usd(2_500_000),
        cost_high=usd(5_000_000),
        hourly_price_high=usd(2_500_000),
        delayed_workloads=2,
        pool="training",
        explanation=scheduler_service_pb2.Explanation(message="needs 2 x A100; 1 free"),
    )
    answer.longest_delay.FromTimedelta(timedelta(minutes=5))
    option = answer.options.add(message="Take T4.", cost=usd(400_000))
    option.resources.gpu_type, option.resources.count = "T4", 1
    return answer


async def test_a_quote_says_all_that_a_submit_would_bring(house: House) -> None:
    """Start, cost, quota, options and one sentence; nothing is stored."""
    house.scheduler.quote = waiting()
    answer = await quoted(house)
    assert pb.QuoteJobResponse.VERDICT_WAITS == answer.verdict
    assert (SOON, LATE) == (
        answer.start_p50.ToDatetime(UTC),
        answer.start_p90.ToDatetime(UTC),
    )
    assert (usd(2_500_000), usd(5_000_000)) == (answer.cost_low, answer.cost_high)
    assert (HOUR, 9 * HOUR) == (
        answer.reserve_milli_gpu_seconds,
        answer.left_after_milli_gpu_seconds,
    )
    assert (
        "It would wait in training (needs 2 x A100; 1 free) and start between 2026-03-01 14:20 "
        "and 14:35 UTC, for 2.50 USD to 5.00 USD, once an admin has approved it."
    ) == answer.message
    (option,) = answer.options
    assert ("Take T4.", "T4", "python train.py", usd(400_000)) == (
        option.message,
        option.spec.resources.gpu_type,
        option.spec.command,
        option.cost,
    )
    assert (0, False) == (answer.delayed_jobs, answer.auto_approved)
    assert answer.quote_token
    (asked,) = house.scheduler.quoted
    assert ("", "python train.py", 3600) == (
        asked.id,
        asked.command,
        asked.estimated_duration.seconds,
    )
    assert NOTHING == await house.stored()


async def test_admins_hear_whom_it_delays(house: House) -> None:
    """How many, and by how long at most."""
    house.scheduler.quote = waiting()
    answer = await quoted(house, by="root")
    assert (2, timedelta(minutes=5)) == (
        answer.delayed_jobs,
        answer.longest_delay.ToTimedelta(),
    )


async def test_what_is_quoted_in_shorthand_is_submitted_in_shorthand(house: House) -> None:
    """The same fields, so that a quote can be had by asking with what would be submitted."""
    fields: dict[str, Any] = {"command": "python eval.py", "gpu_type": "A100", "estimated_hours": 2}
    answer = await quoted(house, **fields)
    assert 2 * HOUR == answer.reserve_milli_gpu_seconds
    request = pb.SubmitJobRequest(**fields, quote_token=answer.quote_token)
    submitted = await house.jobs.SubmitJob(request, **house.by("ada"))
    assert 2 * HOUR == submitted.job.reserved_milli_gpu_seconds


async def test_a_redeemed_quote_holds_price_and_approval(house: House) -> None:
    """Though the rules have changed; the run is told at what price, and its cost comes back."""
    house.scheduler.quote.hourly_price_high.CopyFrom(usd(2_500_000))
    await set_rules(house, Rule(name="easy", decision=Rule.DECISION_APPROVE))
    answer = await quoted(house)
    assert answer.auto_approved
    await set_rules(house, Rule(name="hard", decision=Rule.DECISION_ASK_TWO))
    # The spec may come as shorthand too, its maps in another order.
    labels = job_pb2.JobSpec(labels={"b": "2", "a": "1"})
    job = await house.submit(spec=labels, quote_token=answer.quote_token)
    assert (State.JOB_STATE_QUEUED, "rule:easy") == (job.state, job.approved_by)
    assert usd(2_500_000) == job.hourly_price_limit
    await house.scheduler.until(lambda: job.id in house.scheduler.by_job)
    workload = house.scheduler.by_job[job.id]
    assert usd(2_500_000) == workload.hourly_price_limit
    end = finished(workload, HOUR // 2)
    end.cost.CopyFrom(usd(1_250_000))
    await house.scheduler.tell(started(workload), end)
    ended = await house.until(job.id, State.JOB_STATE_COMPLETED)
    assert usd(1_250_000) == ended.current_run.cost
    plain = await house.submit(spec=labels)
    assert State.JOB_STATE_PENDING == plain.state
    assert not plain.HasField("hourly_price_limit")


async def test_a_quote_is_for_one_job_of_one_user(house: House) -> None:
    """Another job, another user and a token that was made up are refused, and store nothing."""
    token = (await quoted(house)).quote_token

    async def refusal(by: str = "ada", **fields: Any) -> Failure:
        usual = {"spec": SPEC, "command": "", "estimated_hours": 0.0, "quote_token": token}
        with pytest.raises(Failure) as raised:
            await house.submit(by, **usual | fields)
        return raised.value

    other = await refusal(priority=None, gpu_count=2)
    assert ("QUOTE_MISMATCH", {"differs": "job"}) == (other.reason, other.metadata)
    stranger = await refusal("bob")
    assert (Kind.FAILED_PRECONDITION, "QUOTE_MISMATCH", {"differs": "user"}) == (
        stranger.kind,
        stranger.reason,
        stranger.metadata,
    )
    made_up = await refusal(quote_token=token[:-1] + ("A" if token[-1] != "A" else "B"))
    assert {"field": "quote_token"} == made_up.metadata
    assert NOTHING == await house.stored()


async def test_a_quote_expires_and_survives_a_restart_until_then(open_house: Open) -> None:
    """The time that was answered is the time that counts, to the last moment."""
    clock = ManualClock(datetime.now(UTC))
    async with open_house(clock, quote_minutes=5) as house:
        answer = await quoted(house)
        until = answer.expire_time.ToDatetime(UTC)
        assert clock.now() + timedelta(minutes=5) == until
    async with open_house(clock) as house:
        job = await house.submit(quote_token=answer.quote_token, spec=SPEC, command="")
        assert State.JOB_STATE_PENDING == job.state
        clock.advance(timedelta(minutes=5))
        with pytest.raises(FailedPrecondition) as raised:
            await house.submit(quote_token=answer.quote_token, spec=SPEC, command="")
        assert ("QUOTE_EXPIRED", {"expire_time": until.isoformat()}) == (
            raised.value.reason,
            raised.value.metadata,
        )


async def test_a_waiting_job_is_quoted_by_its_run(auto_house: House) -> None:
    """As the scheduler knows it; there is nothing to redeem."""
    job = await auto_house.submit()
    auto_house.scheduler.quote = waiting()
    answer = await quoted(auto_house, job_id=job.id)
    assert job.current_run.id == auto_house.scheduler.quoted[-1].id
    assert (HOUR, "", True) == (
        answer.reserve_milli_gpu_seconds,
        answer.quote_token,
        answer.auto_approved,
    )
    assert not answer.HasField("expire_time")
    with pytest.raises(NotFound) as hidden:
        await quoted(auto_house, by="bob", job_id=job.id)
    assert "JOB_NOT_FOUND" == hidden.value.reason
    await auto_house.cancel(job.id)
    with pytest.raises(FailedPrecondition) as ended:
        await quoted(auto_house, job_id=job.id)
    assert ("JOB_STATE_FORBIDS", "CANCELLED") == (
        ended.value.reason,
        ended.value.metadata["state"],
    )


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"job_id": ""}, "FIELD_INVALID", "spec"),
        ({"spec": SPEC, "job_id": "j"}, "FIELD_INVALID", "spec"),
        ({"spec": job_pb2.JobSpec()}, "FIELD_INVALID", "spec.command"),
        ({"spec": job_pb2.JobSpec(command="x", pool="p")}, "POOL_UNKNOWN", "spec.pool"),
        ({"spec": job_pb2.JobSpec(command="x", provider="p")}, "PROVIDER_UNKNOWN", "spec.provider"),
    ],
)
async def test_a_question_without_sense_is_refused_and_named(
    house: House, fields: dict[str, Any], reason: str, field: str
) -> None:
    """By the same paths as in a submit."""
    await house.gpu_types_known()
    with pytest.raises(InvalidArgument) as refused:
        await quoted(house, **fields)
    assert (reason, field) == (refused.value.reason, refused.value.metadata["field"])


async def test_without_the_scheduler_there_is_no_quote(house: House) -> None:
    """It says so instead of guessing."""
    await house.scheduler.down()
    with pytest.raises(Failure) as refused:
        await quoted(house)
    assert Kind.UNAVAILABLE is refused.value.kind
