"""Log lines are JSON with the call's ids and without secrets; metrics are Prometheus histograms."""

import asyncio
import io
import logging
import subprocess
import sys
from collections.abc import Iterator

import prometheus_client
import pytest

from servicekit import logs
from servicekit.call import Call, serving
from servicekit.config import ConfigurationError
from servicekit.metrics import RpcDurations, serve_metrics
from tests.unit.servicekit.captured_log import CapturedLog, captured_log


@pytest.fixture
def log() -> Iterator[CapturedLog]:
    """The log of the test's process."""
    with captured_log() as captured:
        yield captured


def test_a_line_says_when_who_what(log: CapturedLog) -> None:
    """Both ways of logging give the same form."""
    logs.logger("a.b").info("started", port=7)
    logging.getLogger("a.b").info("started %d", 7)
    ours, theirs = log.lines()
    assert ours.pop("time") <= theirs.pop("time")
    common = {"level": "info", "service": "demo", "logger": "a.b"}
    assert common | {"event": "started", "port": 7} == ours
    assert common | {"event": "started 7"} == theirs


def test_lines_within_a_call_carry_its_ids(log: CapturedLog) -> None:
    """So that one request can be followed through all services."""
    with serving(Call("/a.B/C", request_id="r-1", traceparent="00-t")):
        logging.getLogger("x").warning("slow")
    assert ["r-1", "00-t"] == [log.lines()[0][key] for key in ("request_id", "traceparent")]


@pytest.mark.parametrize(
    "key", ["password", "Authorization", "access_token", "client_secret", "x-api-key", "cookie"]
)
def test_secrets_are_not_written(log: CapturedLog, key: str) -> None:
    """By the key's name, at any depth."""
    logs.logger("x").info("login", **{key: "hunter2"}, request={"headers": {key: "hunter2"}})
    assert b"hunter2" not in log.stream.getvalue()
    assert logs.REDACTED == log.lines()[0][key]


def test_the_id_of_a_token_is_no_secret(log: CapturedLog) -> None:
    """It is what an operator searches for."""
    logs.logger("x").info("refused", token_id="t-1")
    assert "t-1" == log.lines()[0]["token_id"]


def test_levels_below_the_configured_one_are_not_written(log: CapturedLog) -> None:
    """On all three ways."""
    logs.logger("x").debug("no")
    logging.getLogger("x").debug("no")
    logs.write("debug", "x", "no", 0.0, {})
    assert [] == log.lines()


def test_an_exception_is_written_with_its_traceback(log: CapturedLog) -> None:
    """In one line like everything."""
    try:
        raise KeyError("lost")
    except KeyError:
        logs.logger("x").exception("failed")
        logging.getLogger("x").exception("failed")
    for line in log.lines():
        assert line["exception"].endswith("KeyError: 'lost'\n")
        assert "error" == line["level"]


def test_a_value_that_is_no_json_is_written_as_text(log: CapturedLog) -> None:
    """Logging never fails what it logs."""
    logs.logger("x").info("odd", value={1: object, "set": {1}})
    assert "odd" == log.lines()[0]["event"]


def test_a_log_that_cannot_be_written_fails_nobody(log: CapturedLog) -> None:
    """The reader of stderr may be gone."""
    logs.configure("demo", "info", io.BytesIO())
    log.stream.close()
    logs.configure("demo", "info", log.stream)
    logging.getLogger("x").error("into the void")


async def test_on_an_event_loop_lines_wait_for_company_but_errors_do_not(log: CapturedLog) -> None:
    """Their order stays, and nothing is lost."""
    logs.logger("x").info("first")
    assert [] == log.lines()
    logging.getLogger("x").error("second")
    assert ["first", "second"] == [line["event"] for line in log.lines()]
    logs.logger("x").info("third")
    async with asyncio.timeout(30):
        while len(log.lines()) < 3:  # noqa: ASYNC110 - the log has no event to wait for
            await asyncio.sleep(0.01)


def test_lines_that_wait_are_written_when_the_process_ends() -> None:
    """An event loop that stops early loses none."""
    program = (
        "import asyncio, logging\n"
        "from servicekit import logs\n"
        "logs.configure('demo')\n"
        "async def main(): logging.getLogger('x').info('last words')\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert b"last words" in ended.stderr


def sample(name: str, **labels: str) -> float | None:
    """Returns what the registry shows."""
    return prometheus_client.REGISTRY.get_sample_value(f"gpuaas_rpc_duration_seconds{name}", labels)


def test_durations_are_a_histogram_by_method_and_code() -> None:
    """With cumulative buckets, as Prometheus reads them."""
    durations = RpcDurations("/a.B/Durations")
    for seconds in (0.0004, 0.03, 0.03, 100.0):
        durations.observe("OK", seconds)
    labels = {"method": "/a.B/Durations", "code": "OK"}
    assert 4.0 == sample("_count", **labels)
    assert pytest.approx(100.0604) == sample("_sum", **labels)
    buckets = {le: sample("_bucket", **labels, le=le) for le in ("0.0005", "0.05", "+Inf")}
    assert {"0.0005": 1.0, "0.05": 3.0, "+Inf": 4.0} == buckets


def test_the_metrics_port_shows_them_and_a_taken_one_is_named() -> None:
    """An empty address switches it off."""
    assert serve_metrics("") is None
    port = serve_metrics("127.0.0.1:0")
    with pytest.raises(ConfigurationError, match=f"metrics: cannot listen on 127.0.0.1:{port}"):
        serve_metrics(f"127.0.0.1:{port}")
