"""When which node has to be looked at again."""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

_SLACK = 1_000


class Due:
    """Nodes, each with the one time at which it has to be looked at again, if there is one."""

    __slots__ = ("_at", "_entries")

    def __init__(self) -> None:
        self._at: dict[int, int] = {}
        self._entries: list[tuple[int, int]] = []

    def __len__(self) -> int:
        """The room that they take, in entries: more than there are nodes, but never much more."""
        return len(self._entries)

    def set(self, node: int, at: int | None) -> None:
        """Looks at a node again at a time, and not at the one named before; None: not at all."""
        if at is None:
            self._at.pop(node, None)
        elif self._at.get(node) != at:
            self._at[node] = at
            heappush(self._entries, (at, node))
            if len(self._entries) > 2 * len(self._at) + _SLACK:
                self._entries = [(at, node) for node, at in self._at.items()]
                heapify(self._entries)

    def pop(self, now: int) -> Iterator[int]:
        """Takes out the nodes whose time has come."""
        while self._entries and self._entries[0][0] <= now:
            at, node = heappop(self._entries)
            if self._at.get(node) == at:
                del self._at[node]
                yield node
