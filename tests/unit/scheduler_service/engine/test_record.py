"""The decision log: its chain, its replay, and what would have been otherwise."""

from dataclasses import replace

import pytest

from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.events import Event, Finish, NodeSpec, NodeUp, Submit
from scheduler_service.domain.scheduling.explain import explain
from scheduler_service.domain.scheduling.policy import HeadRule
from scheduler_service.domain.scheduling.record import BrokenChain, Recorder, as_of, replay
from scheduler_service.domain.scheduling.requests import SECOND, Request, Shape
from scheduler_service.domain.scheduling.whatif import Change, what_if
from tests.unit.scheduler_service.engine.cluster import PLAIN


def recorded() -> list[str]:
    """A history of one node: a large job holds up a small one."""
    lines: list[str] = []
    recorder = Recorder(lines.append, PLAIN)
    history: list[tuple[int, list[Event]]] = [
        (0, [NodeUp(NodeSpec("n0"))]),
        (1, [Submit(Request("a", Shape(devices=6), SECOND))]),
        (2, [Submit(Request("large", Shape(devices=8), 2 * SECOND))]),
        (3, [Submit(Request("small", Shape(devices=1), 3 * SECOND))]),
        (11, [Finish("a")]),
        (21, [Finish("large")]),
        (31, [Finish("small")]),
    ]
    for now, events in history:
        recorder.step(now * SECOND, events)
    return lines


def test_a_replay_proves_that_nothing_differs() -> None:
    """Every step of the log decides the same again."""
    replayed = replay(recorded())
    assert (replayed.steps, replayed.difference) == (7, None)


def test_a_replay_shows_the_first_difference() -> None:
    """A log written by an engine with another policy differs where that first mattered."""
    lines: list[str] = []
    recorder = Recorder(lines.append, PLAIN)
    recorder.engine = Engine(replace(PLAIN, head=HeadRule.SKIP))
    recorder.step(0, [NodeUp(NodeSpec("n0"))])
    recorder.step(1, [Submit(Request("a", Shape(devices=6), 1))])
    recorder.step(2, [Submit(Request("b", Shape(devices=8), 2))])
    recorder.step(3, [Submit(Request("c", Shape(devices=1), 3))])
    difference = replay(lines).difference
    assert difference is not None
    assert (difference.step, difference.now) == (4, 3)
    assert (len(difference.recorded), len(difference.replayed)) == (1, 0)


@pytest.mark.parametrize("tamper", ["change", "drop", "swap"])
def test_a_log_that_was_tampered_with_is_found_out(tamper: str) -> None:
    """A changed, missing or moved line breaks the chain."""
    lines = recorded()
    if tamper == "change":
        lines[3] = lines[3].replace('"large"', '"largE"')
    elif tamper == "drop":
        del lines[3]
    else:
        lines[3], lines[4] = lines[4], lines[3]
    with pytest.raises(BrokenChain):
        replay(lines)


def test_the_past_can_be_explained() -> None:
    """The engine as of a time explains why something waited then."""
    engine = as_of(recorded(), 5 * SECOND)
    explanation = explain(engine, "small", 5 * SECOND)
    assert explanation is not None
    assert explanation.blocking == ("large",)
    later = explain(as_of(recorded(), 25 * SECOND), "small", 25 * SECOND)
    assert later is not None
    assert later.position == 0


def test_what_if_shows_who_waits_more_and_less() -> None:
    """Under another policy the small job would not have waited, the large one as long."""
    changes = what_if(recorded(), policy=replace(PLAIN, head=HeadRule.SKIP))
    assert changes.less == [Change("small", 18 * SECOND, 0)]
    assert changes.more == [Change("large", 9 * SECOND, 11 * SECOND)]
    assert changes.equal == 1


def test_what_if_on_other_nodes() -> None:
    """With one more node nobody would have waited."""
    nodes = [NodeSpec("n0"), NodeSpec("n1")]
    changes = what_if(recorded(), nodes=nodes)
    assert [change.id for change in changes.less] == ["small", "large"]
    assert changes.more == []


def test_what_if_without_a_change_changes_nothing() -> None:
    """The same policy on the same nodes lets everybody wait as long as they did."""
    changes = what_if(recorded())
    assert (changes.more, changes.less, changes.equal) == ([], [], 3)
