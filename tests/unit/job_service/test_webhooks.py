"""What webhooks are told, how often it is tried, and how it is signed."""

import base64
import hashlib
import hmac
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

import pytest

from job_service.adapters.sender import HttpSender, is_public
from job_service.application.commands.webhooks import (
    READER,
    ClaimDeliveries,
    DeleteWebhook,
    PlanDeliveries,
    RecordAttempts,
    RedeliverDeadLetter,
)
from job_service.domain import webhook as rules
from job_service.domain.errors import (
    DeliveryNotFound,
    WebhookLimitReached,
    WebhookNotFound,
    WebhookUrlForbidden,
)
from job_service.domain.job import JobEvent
from job_service.domain.states import JobState
from job_service.domain.webhook import Attempt, delivery_id, signature
from servicekit.values import replace
from tests.fakes.job_service import FakeStore
from tests.fakes.jobs import (
    ADA_CALLS,
    ADMIN_CALLS,
    BOB,
    BOB_CALLS,
    NOW,
    later,
    pending,
    submitted,
)
from tests.fakes.webhooks import HOOK, OTHER, create_command, delivery, webhook

DAY = timedelta(days=1)


@pytest.fixture
def store() -> FakeStore:
    """A store with one webhook."""
    store = FakeStore()
    store.run(create_command())
    return store


def approved(**fields: Any) -> JobEvent:
    """The event of an approval."""
    return pending(**fields).approve("root", "", later()).event


@pytest.mark.parametrize(
    ("fields", "event", "expected"),
    [
        ({}, submitted().event, True),
        ({}, submitted(owner=BOB).event, False),
        ({"everybody": True}, submitted(owner=BOB).event, True),
        ({"states": (JobState.APPROVED,)}, approved(), True),
        ({"states": (JobState.PENDING,)}, approved(), False),
        ({"states": (JobState.PENDING,)}, submitted().event, True),
        (
            {"states": (JobState.PENDING,)},
            replace(approved(), job=pending(), previous_state=JobState.PENDING),
            False,
        ),
        ({"labels": (("a", "1"), ("b", None))}, approved(labels={"a": "1", "b": "2"}), True),
        ({"labels": (("a", "1"), ("b", None))}, approved(labels={"a": "1"}), False),
        ({"labels": (("a", "1"),)}, approved(labels={"a": "2"}), False),
        ({"created_at": later(2)}, approved(), False),
        ({"created_at": later()}, approved(), True),
    ],
)
def test_a_webhook_is_told_what_it_asked_for(
    fields: dict[str, Any], event: JobEvent, *, expected: bool
) -> None:
    """By owner, state that is entered, labels; and nothing from before it was created."""
    assert expected == webhook(**fields).wants(event)


def test_a_signature_can_be_checked_by_the_contract() -> None:
    """HMAC-SHA256 over id, timestamp and body, with dots between."""
    digest = hmac.new(b"whsec_x", b'e1.1700000000.{"a":1}', hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    assert expected == signature("whsec_x", "e1", 1_700_000_000, b'{"a":1}')


def test_pauses_grow_to_an_hour_and_end_after_a_day() -> None:
    """Scaled by chance; what is given up is a dead letter."""
    waiting, pauses = delivery(), []
    for _ in range(12):
        waiting = waiting.failed(Attempt(waiting.id, 500, "answered 500", NOW))
        assert waiting.due_at is not None
        pauses.append((waiting.due_at - NOW).total_seconds())
    assert [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600] == pauses
    half = delivery().failed(Attempt(waiting.id, 500, "answered 500", NOW, jitter=0.5))
    assert NOW + timedelta(seconds=2.5) == half.due_at
    dead = waiting.failed(Attempt(waiting.id, 0, "no answer", NOW + DAY))
    assert (None, 13, 0, "no answer") == (
        dead.due_at,
        dead.attempts,
        dead.last_status,
        dead.last_error,
    )


def test_the_first_webhook_lets_planning_begin_where_the_log_ends() -> None:
    """Later ones leave the cursor to the planning; after the last is gone it begins anew."""
    store = FakeStore()
    store.run(create_command(head=7))
    store.run(create_command(OTHER, head=9))
    assert "7" == store.unit.cursors.get(READER)
    for webhook_id in (HOOK, OTHER):
        store.run(DeleteWebhook(webhook_id, ADA_CALLS))
    store.run(create_command(head=12))
    assert "12" == store.unit.cursors.get(READER)


def test_nobody_has_more_webhooks_than_allowed(store: FakeStore) -> None:
    """Others have their own number."""
    store.run(create_command(OTHER))
    third = "00000000-0000-7000-8000-000000000003"
    with pytest.raises(WebhookLimitReached):
        store.run(create_command(third))
    store.run(create_command(third, owner_id="u2"))


def test_an_event_is_planned_once_whoever_plans_it_again(store: FakeStore) -> None:
    """Also when it was delivered meanwhile."""
    plan = PlanDeliveries((delivery(1), delivery(2)), 3)
    assert 2 == store.run(plan)
    store.run(RecordAttempts((Attempt(delivery(1).id, 200, "", later()),)))
    assert 0 == store.run(plan)
    assert [delivery(2).id] == list(store.unit.deliveries.by_id)
    assert 1 == store.run(PlanDeliveries((delivery(3), delivery(4)), 4))
    assert 2 == store.unit.webhooks.by_id[HOOK].waiting


def test_what_is_planned_for_a_webhook_that_is_gone_is_left_out(store: FakeStore) -> None:
    """The cursor moves all the same."""
    store.run(PlanDeliveries((delivery(1, OTHER),), 1))
    assert {} == store.unit.deliveries.by_id
    assert "1" == store.unit.cursors.get(READER)


def test_too_many_that_wait_are_dead_letters_at_once(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A webhook that does not answer costs a bounded number of rows to be tried."""
    monkeypatch.setattr("job_service.application.commands.webhooks.MOST_WAITING", 1)
    store.run(PlanDeliveries((delivery(1), delivery(2)), 2))
    dead = store.unit.deliveries.by_id[delivery(2).id]
    assert (None, "1 deliveries wait already") == (dead.due_at, dead.last_error)
    assert 1 == store.unit.webhooks.by_id[HOOK].waiting


def test_a_claim_is_for_a_while(store: FakeStore) -> None:
    """Nobody else gets it meanwhile; whoever dies with it leaves it due."""
    store.run(PlanDeliveries((delivery(),), 1))
    claim = ClaimDeliveries(frozenset(), 4, 64, later(), later(60))
    [(hook, claimed)] = store.run(claim)
    assert (HOOK, delivery().id) == (hook.id, claimed.id)
    assert [] == store.run(claim)
    assert 1 == len(store.run(replace(claim, now=later(60), until=later(120))))


def test_attempts_are_recorded(store: FakeStore) -> None:
    """One that went well clears the failures; one that did not is due again, or dead."""
    store.run(PlanDeliveries((delivery(1), delivery(2)), 2))
    first, second = delivery(1).id, delivery(2).id
    store.run(RecordAttempts((Attempt(first, 503, "answered 503", later()),)))
    hook = store.unit.webhooks.by_id[HOOK]
    assert (2, 1, None) == (hook.waiting, hook.failures, hook.last_success_at)
    store.run(RecordAttempts((Attempt(second, 204, "", later()),)))
    hook = store.unit.webhooks.by_id[HOOK]
    assert (1, 0, later()) == (hook.waiting, hook.failures, hook.last_success_at)
    store.run(RecordAttempts((Attempt(first, 0, "no answer", NOW + DAY),)))
    assert 0 == store.unit.webhooks.by_id[HOOK].waiting
    assert store.unit.deliveries.by_id[first].due_at is None
    store.run(RecordAttempts((Attempt(second, 500, "late", later(2)),)))
    assert 1 == store.unit.webhooks.by_id[HOOK].failures


def test_a_dead_letter_is_due_again_and_dead_after_one_more_failure(store: FakeStore) -> None:
    """Asking twice is no error."""
    store.run(PlanDeliveries((delivery(),), 1))
    lost = Attempt(delivery().id, 0, "no answer", NOW + DAY)
    store.run(RecordAttempts((lost,)))
    again = RedeliverDeadLetter(HOOK, delivery().id, ADA_CALLS, NOW + DAY)
    for _ in range(2):
        store.run(again)
        assert NOW + DAY == store.unit.deliveries.by_id[delivery().id].due_at
        assert 1 == store.unit.webhooks.by_id[HOOK].waiting
    store.run(RecordAttempts((lost,)))
    assert store.unit.deliveries.by_id[delivery().id].due_at is None
    with pytest.raises(DeliveryNotFound):
        store.run(replace(again, delivery_id=delivery_id(HOOK, 99)))


def test_a_strangers_webhook_does_not_exist(store: FakeStore) -> None:
    """An admin's hand reaches every one."""
    store.run(PlanDeliveries((delivery(),), 1))
    for command in (
        DeleteWebhook(HOOK, BOB_CALLS),
        RedeliverDeadLetter(HOOK, delivery().id, BOB_CALLS, NOW),
        DeleteWebhook(OTHER, ADMIN_CALLS),
    ):
        with pytest.raises(WebhookNotFound):
            store.run(command)
    store.run(DeleteWebhook(HOOK, ADMIN_CALLS))
    assert ({}, {}) == (store.unit.webhooks.by_id, store.unit.deliveries.by_id)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:0a00:0001::1", False),
        ("64:ff9b::a00:1", False),
        ("2001::1", False),
    ],
)
def test_only_public_addresses_may_be_called(address: str, *, expected: bool) -> None:
    """Neither private ones nor detours to them."""
    assert expected == is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks",
        "//example.com/x",
        "ftp://example.com/",
        "http://93.184.216.34/",
        "https://",
        "https://user:word@93.184.216.34/",
        "https://93.184.216.34/#part",
        "https://127.0.0.1/",
        "https://[::1]:8443/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://localhost/",
        "https://93.184.216.34/" + "x" * 2048,
        "https://exa mple.com/",
        "https://nowhere.invalid/",
    ],
)
async def test_an_address_that_is_not_public_is_refused(url: str) -> None:
    """Before anything is sent; whatever the spelling."""
    sender = HttpSender(lenient=False)
    with pytest.raises(WebhookUrlForbidden):
        await sender.check(url)
    status, error = await sender.post(url, {}, b"")
    assert (0, True) == (status, bool(error))
    await sender.close()


async def test_development_may_call_anything_over_http() -> None:
    """It says so in its settings."""
    sender = HttpSender(lenient=True)
    await sender.check("http://127.0.0.1:8000/hooks")
    with pytest.raises(WebhookUrlForbidden):
        await sender.check("ftp://127.0.0.1/")
    await sender.close()


def test_the_contracts_day_is_the_rules_day() -> None:
    """Retries go on for a day."""
    assert DAY == rules.GIVE_UP_AFTER
