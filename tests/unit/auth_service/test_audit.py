from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_service.adapters.rows import audit_event_of, audit_row
from auth_service.domain.audit import (
    Action,
    AuditEntry,
    AuditEvent,
    ChainBroken,
    Link,
    Origin,
    Outcome,
    chained,
    checked,
)
from servicekit.values import replace

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
entries = st.builds(
    AuditEntry,
    at=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    origin=st.builds(Origin, texts, texts, texts, texts),
    action=st.sampled_from(Action),
    target=texts,
    outcome=st.sampled_from(Outcome),
    reason=texts,
    changes=st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
)


def chain(contents: Sequence[AuditEntry]) -> list[AuditEvent]:
    """The log that these entries make."""
    link, events = Link(), []
    for entry in contents:
        events.append(chained(link, entry))
        link = events[-1].link
    return events


def walk(events: Sequence[AuditEvent]) -> Link:
    """The end of the log, if it is whole."""
    link = Link()
    for event in events:
        link = checked(link, event)
    return link


@given(st.lists(entries, max_size=8))
def test_a_log_that_was_only_appended_to_is_whole(contents: list[AuditEntry]) -> None:
    """Also after its rows were stored and read; the sequence has no gaps."""
    events = chain(contents)
    assert events == [audit_event_of(audit_row(event)) for event in events]
    assert len(contents) == walk(events).sequence


@given(st.lists(entries, min_size=2, max_size=8), st.data())
def test_any_change_is_noticed_where_it_was_made(
    contents: list[AuditEntry], data: st.DataObject
) -> None:
    """One field of one entry, an entry left out, or two exchanged: never later than there."""
    events = chain(contents)
    place = data.draw(st.integers(0, len(events) - 2))
    match data.draw(st.sampled_from(["change", "remove", "exchange"])):
        case "change":
            other = data.draw(entries.filter(lambda it: it != events[place].entry))
            events[place] = replace(events[place], entry=other)
        case "remove":
            del events[place]
        case "exchange":
            events[place], events[place + 1] = events[place + 1], events[place]
    with pytest.raises(ChainBroken) as broken:
        walk(events)
    assert place + 1 == broken.value.sequence


@pytest.mark.parametrize(
    "changed",
    [
        {"at": NOW + timedelta(microseconds=1)},
        {"origin": Origin("a", "bc", "", "")},
        {"origin": Origin("ab", "c", "", "")},
        {"action": Action.LOGIN},
        {"target": "t"},
        {"outcome": Outcome.REFUSED},
        {"reason": "t"},
        {"changes": (("role", "x"),)},
    ],
)
def test_every_field_is_in_the_hash(changed: dict[str, object]) -> None:
    """And none can flow into its neighbour."""
    entry = AuditEntry(NOW, Origin("", "abc"), Action.LOGOUT)
    other = replace(entry, **changed)
    assert chained(Link(), entry).link.hash != chained(Link(), other).link.hash
