from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_service.domain.guessing import (
    FREE_FAILURES,
    LONGEST_DELAY,
    Limits,
    Rule,
    Tally,
    delay,
    fresh,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
ACCOUNT = Rule(20, delays=True)


def admitted(rule: Rule, pauses: list[timedelta]) -> list[datetime]:
    """The times of those attempts that were looked at, if all fail and come after these pauses."""
    now, tally = NOW, fresh(NOW)
    times = []
    for pause in pauses:
        now += pause
        if tally.wait(rule, now) <= timedelta():
            tally = tally.charged(rule, now)
            times.append(now)
    return times


def busiest_hour(times: list[datetime]) -> int:
    """The most of them that lie within one hour."""
    return max((sum(start <= at < start + HOUR for at in times) for start in times), default=0)


def test_ten_thousand_guesses_get_few_looks() -> None:
    """At once, every second or every minute: never more than twenty in an hour."""
    at_once = admitted(ACCOUNT, [timedelta()] * 10_000)
    assert FREE_FAILURES == len(at_once)
    for pause in (SECOND, 60 * SECOND):
        times = admitted(ACCOUNT, [pause] * 10_000)
        assert FREE_FAILURES < busiest_hour(times) <= 20


@given(
    st.lists(st.timedeltas(timedelta(), timedelta(hours=30)), max_size=60),
    st.integers(2, 40),
    st.booleans(),
)
def test_no_pattern_of_guesses_gets_more(
    pauses: list[timedelta], per_hour: int, delays: bool
) -> None:
    """Whatever the pauses, an hour has no more failures than the rule allows."""
    assert busiest_hour(admitted(Rule(per_hour, delays), pauses)) <= per_hour


@given(st.lists(st.integers(0, 3600), min_size=1, max_size=80))
def test_an_owner_gets_in_after_the_delay(seconds: list[int]) -> None:
    """However long others have guessed, the wait has an end, and is never longer than a quarter."""
    now, tally = NOW, fresh(NOW)
    for pause in seconds:
        now += pause * SECOND
        if tally.wait(ACCOUNT, now) <= timedelta():
            tally = tally.charged(ACCOUNT, now)
    wait = tally.wait(ACCOUNT, now)
    assert wait <= LONGEST_DELAY
    assert tally.wait(ACCOUNT, now + wait) <= timedelta()


def test_delays_grow_from_the_fifth_failure() -> None:
    """They double, up to a quarter of an hour."""
    seconds = [delay(failures).total_seconds() for failures in range(4, 15)]
    assert [0, 5, 10, 20, 40, 80, 160, 320, 640, 900, 900] == seconds


def test_success_is_as_if_nothing_had_happened_but_for_others_failures() -> None:
    """What the attempt itself was charged is given back; a guesser's share of the hour is not."""
    tally = fresh(NOW)
    for _ in range(4):
        tally = tally.charged(ACCOUNT, NOW)
    before = tally
    tally = tally.charged(ACCOUNT, NOW).refunded(ACCOUNT, succeeded=True)
    assert (0, before.spent_until) == (tally.failures, tally.spent_until)
    overloaded = before.charged(ACCOUNT, NOW).refunded(ACCOUNT, succeeded=False)
    assert before == overloaded


def test_logging_in_between_guesses_gives_no_more_guesses() -> None:
    """An owner who signs in every minute does not reset the hour for somebody else."""
    now, tally, guesses = NOW, fresh(NOW), 0
    for _ in range(60):
        now += 60 * SECOND
        while tally.wait(ACCOUNT, now) <= timedelta():
            tally = tally.charged(ACCOUNT, now)
            guesses += 1
        tally = tally.charged(ACCOUNT, now).refunded(ACCOUNT, succeeded=True)
    assert guesses <= 20


def test_failures_are_forgotten_after_a_day() -> None:
    """Until then the record has to be kept; without failures, until the budget is whole."""
    tally = fresh(NOW)
    for _ in range(9):
        tally = tally.charged(ACCOUNT, NOW)
    assert NOW + timedelta(hours=24) == tally.forgotten_at
    assert timedelta() < tally.wait(ACCOUNT, NOW + 60 * SECOND)
    assert 1 == tally.charged(ACCOUNT, NOW + timedelta(hours=24)).failures
    assert NOW + HOUR == Tally(0, NOW, NOW + HOUR).forgotten_at


def test_what_an_attempt_is_counted_against() -> None:
    """A stranger: account, address and all; a known device: itself; an owner: itself."""
    limits = Limits()
    account, address, overall = limits.stranger("ada", "10.0.0.1")
    assert "ada" not in account.key
    assert ("address:10.0.0.1", "overall") == (address.key, overall.key)
    assert (20, 200, 5000) == tuple(it.rule.per_hour for it in (account, address, overall))
    assert ["device:0102"] == [charge.key for charge in limits.device(b"\x01\x02")]
    assert ["password:u1"] == [charge.key for charge in limits.owner("u1")]
    assert ["overall"] == [charge.key for charge in limits.anywhere("")]


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::"),
        ("2001:db8:1:2::9", "address:2001:db8:1:2::"),
        ("::1", "address:::"),
    ],
)
def test_one_customers_addresses_are_one(address: str, key: str) -> None:
    """Of IPv6 a customer has 64 bits to himself, which would be many budgets."""
    assert key == Limits().anywhere(address)[0].key
