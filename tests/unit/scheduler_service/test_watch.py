"""How the log is cut into messages, and decisions into transactions."""

import pytest

from scheduler_service.domain.engine import Decisions, Refuse, Start
from scheduler_service.domain.resources import NodeSlice, Placement
from scheduler_service.domain.scheduling.decisions import RefusalReason
from scheduler_service.entrypoints.portions import portions
from scheduler_service.entrypoints.watch import BATCH_BYTES, that_fit
from servicekit.transaction import RecordedEvent


def events(*changes: int, size: int) -> list[RecordedEvent]:
    """Changes of so many events, each event with so many bytes."""
    last = [place == count for count in changes for place in range(1, count + 1)]
    return [
        RecordedEvent("k", "s", b"x" * size, 1, revision, "", not ends)
        for revision, ends in enumerate(last, 1)
    ]


@pytest.mark.parametrize(
    ("changes", "size", "expected"),
    [
        ((), 1, 0),
        ((2, 1), 1, 3),
        ((2, 1, 2), BATCH_BYTES // 4, 3),
        ((2, 2), BATCH_BYTES // 4, 4),
        ((1, 1), BATCH_BYTES, 1),
        ((3, 1), BATCH_BYTES, 3),
    ],
)
def test_a_message_stays_small_and_ends_where_a_change_ends(
    changes: tuple[int, ...], size: int, expected: int
) -> None:
    """It holds a mebibyte of changes, or one change however large that is."""
    assert expected == len(that_fit(events(*changes, size=size)))


def test_decisions_are_carried_out_in_portions() -> None:
    """At most 500 starts or 2,000 slices together; every decision once, in order."""
    part = NodeSlice("n", "n", "A100", (), 1, 0)
    small = [Start(f"s{number}", Placement("p", "l", (part,))) for number in range(700)]
    large = [Start(f"l{number}", Placement("p", "l", (part,) * 1500)) for number in range(2)]
    refusals = [Refuse(f"r{number}", RefusalReason.MISCONFIGURED, "") for number in range(600)]
    found = list(portions(Decisions([*small, *large], refusals)))
    assert [500, 201, 1, 0, 0] == [len(it.starts) for it in found]
    assert [0, 0, 0, 500, 100] == [len(it.refusals) for it in found]
    assert [*small, *large] == [start for it in found for start in it.starts]
    assert refusals == [refusal for it in found for refusal in it.refusals]
