"""Decision logs as files."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scheduler_service.adapters.decision_log import KEPT, DecisionLogs
from scheduler_service.domain.engine import NodeUp, Submitted
from scheduler_service.domain.errors import HistoryExpired
from scheduler_service.domain.live import LiveEngine
from scheduler_service.domain.resources import Demand, Node, ResourceType
from scheduler_service.domain.scheduling.explain import ReasonKind
from scheduler_service.domain.spec import WorkloadSpec

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NODE = Node("n0", "n0", "p", "local", ResourceType.GPU, "A100", 2)


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[DecisionLogs]:
    """Logs of ten bytes at most, and a step."""
    logs = DecisionLogs(tmp_path, 10)
    yield logs
    logs.close()


def tamper(directory: Path) -> None:
    """Changes what stands in the only log."""
    [path] = directory.iterdir()
    path.write_text(path.read_text().replace("A100", "H100"))


def filled(logs: DecisionLogs) -> None:
    """Begins a log in which a second workload waits for the first."""
    logs.begin(NOW)
    engine = LiveEngine(record=logs.write)
    engine.apply(NodeUp(NODE))
    for number, name in enumerate(("a", "b"), 1):
        at = NOW + number * SECOND
        engine.apply(Submitted(WorkloadSpec(id=name, demand=Demand(count=2)), at))
        engine.plan(at)


async def test_the_log_of_that_time_is_asked(logs: DecisionLogs) -> None:
    """Before it waited there is nothing to explain, after that there is."""
    filled(logs)
    assert await logs.explain("b", NOW + SECOND) is None
    found = await logs.explain("b", NOW + 2 * SECOND)
    assert found is not None
    assert (ReasonKind.RESOURCES, ("a",)) == (found.kind, found.blocking)


async def test_a_time_before_the_first_log_is_expired(logs: DecisionLogs, tmp_path: Path) -> None:
    """So is one whose log was tampered with."""
    filled(logs)
    with pytest.raises(HistoryExpired):
        await logs.explain("b", NOW - SECOND)
    tamper(tmp_path)
    with pytest.raises(HistoryExpired):
        await logs.explain("b", NOW + 2 * SECOND)


def test_only_so_many_are_kept(logs: DecisionLogs, tmp_path: Path) -> None:
    """The oldest go."""
    for number in range(KEPT + 3):
        logs.begin(NOW + number * SECOND)
    assert KEPT == len(list(tmp_path.iterdir()))


def test_a_log_is_full_at_its_size(logs: DecisionLogs) -> None:
    """A new one is empty again. What the engine is told at its beginning does not count."""
    logs.begin(NOW)
    for _ in range(2):
        logs.write("an opening of more than ten bytes")
    logs.write("12345678")
    assert not logs.is_full()
    logs.write("9")
    assert logs.is_full()
    logs.begin(NOW + SECOND)
    assert not logs.is_full()
