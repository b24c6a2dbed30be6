"""What waits and what is busy over time, in a bounded number of equal spans."""

from array import array

SPANS = 512
WIDTH = 1_000_000
"""Width of a span in microseconds at first; it doubles whenever time runs beyond the last one."""


class Timeline:
    """Time-weighted sums over spans; a mean is a sum by the span's width.

    Attributes:
        width: microseconds of a span.
        queued: jobs that waited, times microseconds.
        busy: thousandths of devices that were held, times microseconds.
        until: time up to which is counted.
    """

    def __init__(self) -> None:
        self.width = WIDTH
        self.queued = array("d", bytes(8 * SPANS))
        self.busy = array("d", bytes(8 * SPANS))
        self.until = 0

    def advance(self, now: int, queued: int, busy: int) -> None:
        """Counts that so much waited and was busy from ``until`` to ``now``."""
        while now > self.width * SPANS:
            self._double()
        at, width = self.until, self.width
        while at < now:
            span = at // width
            end = min(now, (span + 1) * width)
            self.queued[span] += (end - at) * queued
            self.busy[span] += (end - at) * busy
            at = end
        self.until = now

    def points(self, together: int = 1) -> list[tuple[float, float, float]]:
        """Middle of each span in seconds, and the mean of what waited and of what was busy.

        Args:
            together: how many spans make one point.
        """
        points = []
        for span in range(0, -(-self.until // self.width), together):
            begin, to = span * self.width, span + together
            length = min(together * self.width, self.until - begin)
            queued, busy = sum(self.queued[span:to]), sum(self.busy[span:to])
            points.append(((begin + length / 2) / 1e6, queued / length, busy / length))
        return points

    def _double(self) -> None:
        for sums in (self.queued, self.busy):
            for span in range(SPANS // 2):
                sums[span] = sums[2 * span] + sums[2 * span + 1]
            sums[SPANS // 2 :] = array("d", bytes(4 * SPANS))
        self.width *= 2
