"""Values of nodes that change with time, kept in order without being worked out anew."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler_service.domain.scheduling.lines import Line, NodeOrder, NodeValues, Value, sooner

TIMES = st.integers(0, 60)
LINES = st.builds(Line, st.integers(-3, 3), st.integers(-50, 50))


def test_never_is_later_than_any_time() -> None:
    """The sooner of two times; two nevers stay never."""
    assert sooner(None, 5) == 5
    assert sooner(7, None) == 7
    assert sooner(7, 5) == 5
    assert sooner(None, None) is None


@given(LINES, LINES, TIMES)
def test_a_line_reaches_another_when_its_value_does(one: Line, other: Line, now: int) -> None:
    """The first time at which the lower of two lines is as high as the other, or never."""
    if one.at(now) >= other.at(now):
        one, other = other, one
    if one.at(now) == other.at(now):
        return
    later = range(now + 1, now + 400)
    expected = next((at for at in later if one.at(at) >= other.at(at)), None)
    assert expected == one.reaches(other, now)


@given(st.lists(st.tuples(st.integers(0, 9), st.none() | LINES), max_size=40), TIMES)
def test_nodes_are_in_the_order_of_their_last_values(
    puts: list[tuple[int, Line | None]], now: int
) -> None:
    """However often values change or go: the least first, equals by the number of the node."""
    order: NodeOrder[int] = NodeOrder()
    lines: dict[int, Line] = {}
    for node, line in puts:
        if line is None:
            order.drop(node)
            lines.pop(node, None)
        else:
            order.put(node, line, node % 2)
            lines[node] = line
    found = sorted(entry for _, walk in order.walks(now) for entry in walk)
    assert len(lines) == len(order)
    assert sorted((line.at(now), node) for node, line in lines.items()) == found
    for apart, walk in order.walks(now):
        entries = list(walk)
        assert sorted(entries) == entries
        assert {apart} == {node % 2 for _, node in entries}


class Bending:
    """Values of nodes that fall to nothing and stay there: each bends once."""

    def __init__(self, ends: dict[int, int]) -> None:
        self.ends = ends
        self.asked: list[int] = []

    def assess(self, node: int, now: int) -> Value:
        """What is left until the end of a node; one without an end is worth nothing at all."""
        self.asked.append(node)
        end = self.ends.get(node)
        if end is None:
            return Value(None, None)
        return Value(Line(-1, end), end) if now < end else Value(Line(0, 0), None)

    def in_order(self, now: int) -> list[int]:
        """The nodes by what is left, worked out from scratch."""
        left = {node: max(end - now, 0) for node, end in self.ends.items()}
        return sorted(left, key=lambda node: (left[node], node))


def test_a_node_is_looked_at_when_it_changed_or_its_line_ends() -> None:
    """Not before, and once for every reason."""
    bending = Bending({1: 10, 2: 20})
    changed = {1, 2}
    values = NodeValues(changed, bending.assess)
    values.update(5)
    values.update(9)
    assert sorted(bending.asked) == [1, 2]
    assert not changed
    values.update(10)
    assert bending.asked[2:] == [1]
    changed.add(2)
    values.update(11)
    assert bending.asked[3:] == [2]


CHANGES = st.tuples(st.integers(0, 7), st.none() | st.integers(0, 60), st.integers(0, 9))


@given(st.lists(CHANGES, max_size=40))
def test_order_is_what_a_recount_says(changes: list[tuple[int, int | None, int]]) -> None:
    """Whatever changes, and however much time passes between."""
    bending = Bending({})
    changed: set[int] = set()
    values = NodeValues(changed, bending.assess)
    now = 0
    for node, end, passed in changes:
        if end is None:
            bending.ends.pop(node, None)
        else:
            bending.ends[node] = end
        changed.add(node)
        now += passed
        values.update(now)
        assert bending.in_order(now) == list(values.in_order(now))
