"""Prometheus metrics that every service has, and the port that shows them.

Names are `gpuaas_<what>_<unit>`; a label never carries an id of a user, a job or a request, for
each value of a label is a series that is kept for ever.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

import prometheus_client
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from servicekit.config import ConfigurationError, host_and_port

_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_BOUND_NAMES = (*(str(bound) for bound in _BOUNDS), "+Inf")


class _Series:
    """The durations of one method that ended with one code; plain numbers, for the hot path."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * len(_BOUND_NAMES)
        self.total = 0.0


class RpcDurations:
    """Counts the durations of one method's calls; all on one thread, which is the event loop's."""

    def __init__(self, method: str) -> None:
        self._series = _RPCS.series.setdefault(method, {})

    def observe(self, code: str, seconds: float) -> None:
        """Counts one call that ended with `code` after `seconds`."""
        series = self._series.get(code)
        if series is None:
            series = self._series[code] = _Series()
        series.counts[bisect_left(_BOUNDS, seconds)] += 1
        series.total += seconds


class _RpcCollector(Collector):
    """Shows the durations of all methods as one histogram, gpuaas_rpc_duration_seconds."""

    def __init__(self) -> None:
        self.series: dict[str, dict[str, _Series]] = {}

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Gives the histogram with its counts up to now."""
        family = HistogramMetricFamily(
            "gpuaas_rpc_duration_seconds",
            "Time from a call's arrival to its end, by method and status code.",
            labels=("method", "code"),
        )
        for method, by_code in list(self.series.items()):
            for code, series in list(by_code.items()):
                buckets = list(zip(_BOUND_NAMES, accumulate(series.counts), strict=True))
                family.add_metric((method, code), buckets, series.total)
        yield family


def serve_metrics(listen: str) -> int | None:
    """Shows the metrics at http://`listen`/metrics and returns the port; empty text: not at all.

    Raises:
        ConfigurationError: the address is none, or is taken.
    """
    if not listen:
        return None
    try:
        host, port = host_and_port(listen)
        server, _ = prometheus_client.start_http_server(port, host)
    except OSError as error:
        raise ConfigurationError(f"metrics: cannot listen on {listen}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"metrics: cannot listen on {listen}: {error}") from None
    return int(server.server_address[1])


_RPCS = _RpcCollector()
prometheus_client.REGISTRY.register(_RPCS)
