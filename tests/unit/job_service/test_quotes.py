"""Quotes: what they say, what they promise, and whom."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from job_service.application.quoting import Asking, Quoting
from job_service.domain.approval import Decision, Rule, Rules
from job_service.domain.errors import JobNotFound, JobStateForbids, QuoteExpired, QuoteMismatch
from job_service.domain.offers import Offer, Offers
from job_service.domain.prices import Money
from job_service.domain.quotes import Outlook, Quote, Terms, Verdict
from job_service.domain.spec import ResourceSpec, ResourceType
from job_service.domain.states import JobState
from job_service.entrypoints.quote_tokens import fingerprint, opened, sealed
from servicekit.errors import InvalidArgument
from servicekit.values import replace
from tests.fakes.job_service import FakeScheduler, FakeStore
from tests.fakes.jobs import (
    ADA,
    ADA_CALLS,
    ADMIN_CALLS,
    BOB,
    BOB_CALLS,
    HOUR,
    NOW,
    cancel_command,
    later,
    policy,
    set_quota_command,
    spec,
    submit_command,
)

KEY = b"0123456789abcdef0123456789abcdef"
PRICE = Money(2_500_000, "USD")
STARTS = Outlook(
    Verdict.STARTS_NOW,
    pool="training",
    provider="local",
    cost_low=PRICE,
    cost_high=Money(5_000_000, "USD"),
    hourly_price_high=PRICE,
)
WAITS = Outlook(
    Verdict.WAITS,
    start_p50=datetime(2026, 3, 1, 14, 20, tzinfo=NOW.tzinfo),
    start_p90=datetime(2026, 3, 1, 14, 35, tzinfo=NOW.tzinfo),
    pool="training",
    reason="needs 2 x A100; 1 free",
)
ASKING = Asking(ADA_CALLS, ADA, "USER", NOW)


def quote(outlook: Outlook = STARTS, **fields: Any) -> Quote:
    """A quote of one GPU-hour with five to spare."""
    usual: dict[str, Any] = {"reserve": HOUR, "left_after": 5 * HOUR, "approved": True}
    verdict = fields.pop("verdict", outlook.verdict)
    return Quote(verdict, outlook, **usual | fields)


@pytest.mark.parametrize(
    ("quoted", "expected"),
    [
        (quote(), "It would start at once in training, for 2.50 USD to 5.00 USD."),
        (
            quote(replace(STARTS, cost_low=None), approved=False),
            "It would start at once in training, once an admin has approved it.",
        ),
        (
            quote(replace(STARTS, cost_high=PRICE), count=3),
            "It would start at once in training, for 7.50 USD.",
        ),
        (
            quote(WAITS),
            "It would wait in training (needs 2 x A100; 1 free) and start between "
            "2026-03-01 14:20 and 14:35 UTC.",
        ),
        (
            quote(replace(WAITS, start_p90=WAITS.start_p50, reason="")),
            "It would wait in training and start about 2026-03-01 14:20 UTC.",
        ),
        (
            quote(replace(WAITS, start_p90=datetime(2026, 3, 2, 1, 5, tzinfo=NOW.tzinfo))),
            "It would wait in training (needs 2 x A100; 1 free) and start between "
            "2026-03-01 14:20 and 2026-03-02 01:05 UTC.",
        ),
        (
            quote(replace(WAITS, start_p90=None)),
            "It would wait in training (needs 2 x A100; 1 free) and nobody can say how long.",
        ),
        (
            quote(Outlook(Verdict.NEVER_FITS, reason="No pool ever has 9 x A100.")),
            "It would never start: no pool ever has 9 x A100.",
        ),
        (
            quote(verdict=Verdict.QUOTA_EXCEEDED, left_after=-HOUR // 2),
            "It asks for 1.00 GPU-hours, 0.50 more than are left.",
        ),
    ],
)
def test_a_verdict_is_one_sentence(quoted: Quote, expected: str) -> None:
    """That a person understands without any other field."""
    assert expected == quoted.message


class World:
    """A store and a scheduler that answers what a test says, and quotes over both."""

    def __init__(self, outlook: Outlook = STARTS, rules: Rules | None = None) -> None:
        self.store = FakeStore()
        self.scheduler = FakeScheduler(outlook=outlook)
        self.offers = Offers(
            (Offer("training", "local", ResourceType.GPU, "A100", 2_500_000),), currency="USD"
        )
        decides = replace(policy(), rules=rules or Rules())
        self.quoting = Quoting(self.store, self.scheduler, decides)

    async def new(self, asking: Asking = ASKING, hours: float = 1, **fields: Any) -> Quote:
        """The quote of a new job."""
        wanted = spec(hours, **fields)
        until = NOW + timedelta(minutes=10)
        return await self.quoting.of_spec(asking, wanted, self.offers, "print", until)


async def test_a_quote_reckons_with_quota_and_rules() -> None:
    """What would be reserved and left, and which rule approves."""
    rules = Rules((Rule("cheap", Decision.APPROVE, max_cost=PRICE),))
    quoted = await World(rules=rules).new()
    assert (Verdict.STARTS_NOW, HOUR, 9 * HOUR) == (
        quoted.verdict,
        quoted.reserve,
        quoted.left_after,
    )
    assert ("cheap", True) == (quoted.approved_by, quoted.approved)
    until = NOW + timedelta(minutes=10)
    assert Terms("u1", "print", until, "cheap", PRICE) == quoted.terms
    dearer = await World(rules=rules).new(hours=2)
    assert ("", False) == (dearer.approved_by, dearer.approved)


async def test_an_array_is_quoted_as_a_whole() -> None:
    """Its hours are those of all its jobs, and so is its cost."""
    quoted = await World().new(array_size=4)
    assert (4 * HOUR, 6 * HOUR, 4) == (quoted.reserve, quoted.left_after, quoted.count)


async def test_too_little_quota_is_a_verdict() -> None:
    """The team's counts too; nothing is promised then. What never fits, never fits first."""
    assert Verdict.QUOTA_EXCEEDED is (await World().new(hours=11)).verdict
    world = World()
    world.store.run(set_quota_command("team:engines", 0.5, "standing"))
    quoted = await world.new()
    assert (Verdict.QUOTA_EXCEEDED, -HOUR // 2, None) == (
        quoted.verdict,
        quoted.left_after,
        quoted.terms,
    )
    never = await World(Outlook(Verdict.NEVER_FITS)).new(hours=11)
    assert (Verdict.NEVER_FITS, None) == (never.verdict, never.terms)
    cores = await World().new(resources=ResourceSpec(ResourceType.CPU))
    assert Verdict.STARTS_NOW is cores.verdict


async def test_what_a_rule_rejects_is_promised_nothing() -> None:
    """Its submit would be refused whatever the quote says of its start."""
    quoted = await World(rules=Rules((Rule("no", Decision.REJECT),))).new()
    assert (None, False) == (quoted.terms, quoted.approved)


async def test_users_hear_of_their_own_jobs_only() -> None:
    """Whom else it would stop or delay is for admins."""
    outlook = replace(STARTS, preempted=("j2", "j1"), delayed=3, longest_delay=timedelta(minutes=5))
    world = World(outlook)
    world.store.run(submit_command("j1"))
    world.store.run(submit_command("j2", owner=BOB))
    for asking, preempted, delayed in (
        (ASKING, ("j1",), 0),
        (Asking(BOB_CALLS, BOB, "USER", NOW), ("j2",), 0),
        (replace(ASKING, caller=ADMIN_CALLS), ("j2", "j1"), 3),
    ):
        found = (await world.new(asking)).outlook
        assert (preempted, delayed) == (found.preempted, found.delayed)


async def test_a_job_that_waits_is_quoted_as_it_stands() -> None:
    """Its hours are reserved already; it is nobody else's, and has not ended."""
    world = World(WAITS)
    world.store.run(submit_command())
    found = await world.quoting.of_job(ASKING, "j1")
    assert (Verdict.WAITS, HOUR, 9 * HOUR, False, None) == (
        found.verdict,
        found.reserve,
        found.left_after,
        found.approved,
        found.terms,
    )
    assert ["j1"] == [job.id for job in world.scheduler.quoted]
    with pytest.raises(JobNotFound):
        await world.quoting.of_job(Asking(BOB_CALLS, BOB, "USER", NOW), "j1")
    world.store.run(cancel_command())
    with pytest.raises(JobStateForbids):
        await world.quoting.of_job(ASKING, "j1")


def test_terms_hold_for_one_user_one_job_and_a_time() -> None:
    """Anything else is refused with what differs."""
    terms = Terms("u1", "print", later(10))
    terms.require("u1", "print", later(9.999999))
    with pytest.raises(QuoteMismatch, match="another user"):
        terms.require("u2", "print", NOW)
    with pytest.raises(QuoteMismatch, match="another job"):
        terms.require("u1", "other", NOW)
    with pytest.raises(QuoteExpired):
        terms.require("u1", "print", later(10))


def test_a_redeemed_quote_approves_and_limits_the_price() -> None:
    """By the rule that was found then, whatever the rules are by now."""
    store = FakeStore()
    terms = Terms("u1", "print", later(10), "cheap", PRICE)
    job = store.run(submit_command(terms=terms))
    assert (JobState.QUEUED, "rule:cheap", PRICE) == (job.state, job.approved_by, job.price_limit)
    plain = store.run(submit_command("j2", terms=Terms("u1", "print", later(10))))
    assert (JobState.PENDING, None) == (plain.state, plain.price_limit)


def test_a_token_comes_back_as_it_was_and_cannot_be_made_up() -> None:
    """Another key, another bit, or no token at all is refused by its field."""
    terms = Terms("u1", "print", later(10), "cheap", PRICE)
    token = sealed(terms, KEY)
    assert terms == opened(token, KEY)
    turned = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    for bad in (turned, token[:-4], "", "q", "\u00fc", "=", "A" * 3000, sealed(terms, b"x" * 32)):
        with pytest.raises(InvalidArgument) as refused:
            opened(bad, KEY)
        assert {"field": "quote_token"} == refused.value.metadata


def test_specs_are_told_apart_by_what_they_ask_for() -> None:
    """The order of labels and variables makes no difference, every value does."""
    one = spec(labels={"a": "1", "b": "2"}, environment={"X": "1", "Y": "2"})
    other = spec(labels={"b": "2", "a": "1"}, environment={"Y": "2", "X": "1"})
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint(one) != fingerprint(replace(one, labels={"a": "1", "b": "3"}))
    assert fingerprint(one) != fingerprint(replace(one, priority=6))
