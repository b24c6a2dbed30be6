"""The durations of the latest runs of one kind, in order of length at any time."""

from bisect import bisect_left, insort
from collections import deque


class Sample:
    """At most ``size`` durations in microseconds; a new one takes the place of the oldest.

    Adding costs a search and a move within a list of at most ``size`` numbers; mean and quantiles
    cost nothing more. All arithmetic is in whole numbers, so that every machine agrees.
    """

    __slots__ = ("_latest", "_ordered", "_size", "_total", "seen")

    def __init__(self, size: int) -> None:
        self._size = size
        self._latest: deque[int] = deque()
        self._ordered: list[int] = []
        self._total = 0
        self.seen = 0

    def __len__(self) -> int:
        return len(self._ordered)

    def add(self, duration: int) -> None:
        """Takes in the duration of a run that has ended; ``seen`` counts all of them."""
        if len(self._latest) == self._size:
            oldest = self._latest.popleft()
            del self._ordered[bisect_left(self._ordered, oldest)]
            self._total -= oldest
        self._latest.append(duration)
        insort(self._ordered, duration)
        self._total += duration
        self.seen += 1

    @property
    def total(self) -> int:
        """The sum of what is kept."""
        return self._total

    def quantile(self, percent: int) -> int:
        """The smallest duration that at least ``percent`` of what is kept do not exceed.

        The nearest rank of Hyndman and Fan, "Sample quantiles in statistical packages", 1996,
        definition 1: always a duration that occurred. Needs one run at least.
        """
        rank = -(-percent * len(self._ordered) // 100)
        return self._ordered[max(rank, 1) - 1]
