"""What the repositories of webhooks and approval rules promise, whatever is behind them."""

import asyncio

import pytest

from job_service.application.commands.approving import ExpireRequests, SetApprovalRules
from job_service.application.commands.webhooks import ClaimDeliveries, DeleteWebhook, PlanDeliveries
from job_service.application.ports import UnitOfWork
from job_service.domain.approval import Decision, Rule, Rules
from job_service.domain.errors import RulesChanged, WebhookLimitReached
from job_service.domain.states import JobState
from servicekit.values import replace
from tests.contract.job_service.conftest import Store
from tests.fakes.jobs import ADMIN_CALLS, NOW, approve_command, later, policy, submit_command
from tests.fakes.webhooks import HOOK, OTHER, create_command, delivery, webhook

ELABORATE = webhook(
    states=(JobState.FAILED, JobState.COMPLETED),
    labels=(("a", None), ("b", "ü")),
    everybody=True,
    waiting=3,
    last_success_at=later(),
    failures=2,
)
RULES = (
    Rule(
        "all",
        Decision.ASK_TWO,
        teams=frozenset({"ü", "b"}),
        roles=frozenset({"USER"}),
        gpu_types=frozenset({"T4"}),
        at_most=1,
        above=2,
    ),
    Rule("none", Decision.REJECT, message="closed"),
)


async def test_a_webhook_comes_back_as_it_was(store: Store) -> None:
    """To commands and readers; none is none."""
    await store.do(lambda unit: unit.webhooks.add(webhook()))
    await store.do(lambda unit: unit.webhooks.save(ELABORATE))
    assert ELABORATE == await store.do(lambda unit: unit.webhooks.find(HOOK))
    assert ELABORATE == await store.reader.webhook(HOOK)
    assert await store.do(lambda unit: unit.webhooks.find(OTHER)) is None
    assert await store.reader.webhook(OTHER) is None


async def test_a_delivery_comes_back_as_it_was(store: Store) -> None:
    """With and without its times."""
    elaborate = replace(
        delivery(), due_at=None, attempts=2, last_status=500, last_error="ü", last_at=later()
    )

    def work(unit: UnitOfWork) -> None:
        unit.deliveries.add(delivery())
        unit.deliveries.save(elaborate)
        unit.deliveries.add(delivery(2))

    await store.do(work)
    assert elaborate == await store.do(lambda unit: unit.deliveries.find(delivery().id))
    assert delivery(2) == await store.do(lambda unit: unit.deliveries.find(delivery(2).id))
    assert [elaborate] == await store.reader.dead_letters(HOOK, None, 9)
    assert NOW == await store.reader.next_delivery_at()
    await store.do(lambda unit: unit.deliveries.remove([delivery(2).id]))
    assert await store.reader.next_delivery_at() is None


async def test_webhooks_are_listed_newest_first(store: Store) -> None:
    """By owner, or everybody's."""
    hooks = [webhook(f"{number:032}", created_at=later(number)) for number in range(3)]
    others = webhook(OTHER, owner_id="u2", created_at=later(9))
    for hook in [*hooks, others]:
        await store.do(lambda unit, it=hook: unit.webhooks.add(it))  # type: ignore[misc]
    assert hooks[::-1] == await store.reader.webhooks("u1", None, 9)
    first = await store.reader.webhooks("u1", None, 1)
    last = int(first[0].created_at.timestamp() * 1_000_000), first[0].id
    assert hooks[1::-1] == await store.reader.webhooks("u1", last, 9)
    assert others == (await store.reader.webhooks("", None, 1))[0]
    counts = await store.do(lambda unit: [unit.webhooks.count(it) for it in ("u1", "u3", "")])
    assert [3, 0, 4] == counts


async def test_claims_are_fair_and_pass_over_the_busy(store: Store) -> None:
    """A webhook with many deliveries does not keep others waiting."""
    for hook in (HOOK, OTHER):
        await store.run(create_command(hook))
    many = [delivery(number, due_at=later(-9)) for number in range(1, 9)]
    await store.run(PlanDeliveries((*many, delivery(9, OTHER), delivery(10, OTHER)), 10))
    claim = ClaimDeliveries(frozenset(), 2, 3, later(), later(60))
    claimed = [it.revision for _, it in await store.run(claim)]
    assert [1, 9, 2] == claimed
    busy = replace(claim, busy=frozenset({HOOK}))
    assert [10] == [it.revision for _, it in await store.run(busy)]


async def test_two_who_claim_at_once_share(store: Store) -> None:
    """Nothing is taken twice."""
    await store.run(create_command())
    await store.run(PlanDeliveries(tuple(delivery(number) for number in range(1, 9)), 9))
    claim = ClaimDeliveries(frozenset(), 4, 4, later(), later(60))
    both = await asyncio.gather(store.run(claim), store.run(claim))
    assert list(range(1, 9)) == sorted(it.revision for half in both for _, it in half)


async def test_a_webhook_goes_with_its_deliveries(store: Store) -> None:
    """Others' stay."""
    for hook in (HOOK, OTHER):
        await store.run(create_command(hook))
    await store.run(PlanDeliveries((delivery(1), delivery(1, OTHER)), 1))
    await store.run(DeleteWebhook(HOOK, ADMIN_CALLS))
    assert await store.reader.webhook(HOOK) is None
    assert await store.do(lambda unit: unit.deliveries.find(delivery(1).id)) is None
    assert delivery(1, OTHER) == await store.do(
        lambda unit: unit.deliveries.find(delivery(1, OTHER).id)
    )


async def test_the_limit_holds_for_those_who_come_together(store: Store) -> None:
    """Of ten at once, two are created."""
    creates = [store.run(create_command(f"{number:032}")) for number in range(10)]
    answers = await asyncio.gather(*creates, return_exceptions=True)
    assert 8 == sum(isinstance(it, WebhookLimitReached) for it in answers)


async def test_rules_come_back_as_they_were(store: Store) -> None:
    """To commands and readers; before the first ones there are none."""
    assert await store.reader.approval_rules() is None
    assert await store.do(lambda unit: unit.rules.get()) is None
    await store.run(SetApprovalRules(RULES[:1], 0, policy()))
    rules = await store.run(SetApprovalRules(RULES, 1, policy()))
    assert Rules(RULES, 2) == rules == await store.reader.approval_rules()
    assert rules == await store.do(lambda unit: unit.rules.get())
    with pytest.raises(RulesChanged):
        await store.run(SetApprovalRules((), 1, policy()))


async def test_requests_that_wait_longest_come_first(store: Store) -> None:
    """Those decided about do not come."""
    for number, job_id in enumerate(("j1", "j2", "j3", "j4")):
        await store.run(submit_command(job_id, now=later(number)))
    await store.run(approve_command("j2"))
    assert ["j1", "j3"] == await store.reader.undecided(later(3), 9)
    assert ["j1"] == await store.reader.undecided(later(3), 1)
    assert 2 == await store.run(ExpireRequests(("j1", "j2", "j3"), later(3), later(9)))
    assert ["j4"] == await store.reader.undecided(later(4), 9)
