"""When nodes have to be looked at again."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler_service.domain.scheduling.due import Due


def test_a_node_comes_once_at_its_time() -> None:
    """Not before, and not again."""
    due = Due()
    due.set(4, 10)
    assert list(due.pop(9)) == []
    assert list(due.pop(10)) == [4]
    assert list(due.pop(11)) == []


def test_only_the_last_time_counts() -> None:
    """A node that is put off comes later, one that is let off does not come."""
    due = Due()
    due.set(1, 10)
    due.set(2, 10)
    due.set(1, 20)
    due.set(2, None)
    assert list(due.pop(10)) == []
    assert list(due.pop(20)) == [1]


def test_what_is_put_off_for_ever_takes_no_room() -> None:
    """Times that count no more are thrown away, however many there were."""
    due = Due()
    for at in range(10_000):
        due.set(1, 1_000_000 + at)
    assert len(due) < 2_000
    assert list(due.pop(2_000_000)) == [1]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 30), st.integers(0, 4))),
)
def test_nodes_come_as_a_plain_list_has_them(changes: list[tuple[int, int | None, int]]) -> None:
    """Compared with looking through all times at every step."""
    due = Due()
    times: dict[int, int] = {}
    now = 0
    for node, at, passed in changes:
        due.set(node, at)
        times.pop(node, None)
        if at is not None:
            times[node] = at
        now += passed
        expected = {node for node, at in times.items() if at <= now}
        assert expected == set(due.pop(now))
        times = {node: at for node, at in times.items() if at > now}
