"""How measurements become figures."""

import json
from collections.abc import Callable, Iterator

import pytest

from bench import report
from bench.load.meter import Meter, quantile
from bench.pairs import Pairs, interleave, spread


class Clock:
    """A clock that is set by hand, in seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Returns the time that was set."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The meter's clock."""
    clock = Clock()
    monkeypatch.setattr("bench.load.meter.time.perf_counter", clock)
    return clock


class TestMeter:
    def test_window(self, clock: Clock) -> None:
        """Only what ends inside the window counts."""
        counted = Meter(warm_up=1.0, measured=2.0)
        goes_on = []
        for moment in (100.5, 101.5, 102.5, 103.5):
            clock.now = moment
            goes_on.append(counted.record(moment - 0.25, None))
        result = counted.result()
        assert (2, 1.0, 250.0) == (result.calls, result.rate, result.p50_ms)
        assert [True, True, True, False] == goes_on

    def test_failure_in_warm_up(self, clock: Clock) -> None:
        """A failure counts even in the warm up and stops its slot."""
        counted = Meter(warm_up=1.0, measured=2.0)
        assert not counted.record(100.0, "13 broken")
        assert {"13 broken": 1} == counted.result().failures


class TestQuantile:
    @pytest.mark.parametrize(
        ("values", "share", "expected"),
        [([], 0.5, 0.0), ([7.0], 0.99, 7.0), (list(range(100)), 0.99, 99), ([1, 2, 3], 0.5, 2)],
    )
    def test_value_at_share(self, values: list[float], share: float, expected: float) -> None:
        """Is the value at the share."""
        assert expected == quantile(values, share)


class TestPairs:
    def test_ratio_is_median_of_pairs(self) -> None:
        """Ratio is the median of the pairs and not the ratio of the medians.

        A machine that slows down for two whole pairs changes nothing.
        """
        pairs = Pairs(references=[100, 100, 50, 50, 100], subjects=[70, 60, 35, 30, 90])
        assert 0.7 == pairs.ratio

    def test_order_alternates(self) -> None:
        """Who comes first alternates."""
        order: list[str] = []
        interleave(noting(order, "reference"), noting(order, "subject"), 3)
        assert ["reference", "subject", "subject", "reference", "reference", "subject"] == order

    def test_pairs_stay_together(self) -> None:
        """Every pair keeps its own reference."""
        pairs = interleave(counting(10.0), counting(5.0), 3)
        assert ([10.0, 11.0, 12.0], [5.0, 6.0, 7.0]) == (pairs.references, pairs.subjects)


class TestReport:
    def test_last_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Last line is one JSON object."""
        report.show("a title", ["", "figure"], [["rate", "1,234"]])
        report.finish({"rate": 1234.5678, "jobs": 3000})
        last = capsys.readouterr().out.splitlines()[-1]
        assert {"rate": 1235.0, "jobs": 3000} == json.loads(last)

    @pytest.mark.parametrize(
        ("value", "expected"), [(0.61239, 0.6124), (12345.678, 12345.678), (3, 3), (0.0, 0.0)]
    )
    def test_rounding(self, value: float, expected: float) -> None:
        """Figures keep what matters."""
        assert expected == report.rounded(value)

    @pytest.mark.parametrize(
        ("values", "expected"), [([0.614, 0.7], "0.61-0.70"), ([1200.4, 900.0], "900-1,200")]
    )
    def test_spread(self, values: list[float], expected: str) -> None:
        """A spread is lowest to highest."""
        assert expected == spread(values)


def noting(order: list[str], name: str) -> Callable[[], float]:
    """Returns a measurement that notes its turn."""

    def measure() -> float:
        order.append(name)
        return 1.0

    return measure


def counting(first: float) -> Callable[[], float]:
    """Returns a measurement that grows by one each time."""

    def values() -> Iterator[float]:
        value = first
        while True:
            yield value
            value += 1

    return values().__next__
