"""README.md tells what is true: its commands work, its samples are what is printed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.layout import DEFAULT_LISTEN, NAMES
from local.processes import ROOT
from tests.system.conftest import Started
from tests.system.readme import README, Shell, blocks, section


def answers(printed: str) -> list[dict[str, Any]]:
    """Splits what several curl commands printed, one after the other, into their answers."""
    decoder, found, rest = json.JSONDecoder(), [], printed.strip()
    while rest:
        answer, end = decoder.raw_decode(rest)
        found.append(answer)
        rest = rest[end:].strip()
    return found


def test_the_first_minute_is_shown_as_it_is(started: Started) -> None:
    """The sample is what `make run` prints, but for addresses, password, folder and time."""
    (sample,) = blocks("The first minute", "text")
    printed = started.printed.replace(str(started.system.layout.data), "/home/ada/gpuaas/var")
    for name in NAMES:
        printed = printed.replace(started.system.target(name), DEFAULT_LISTEN[name])

    assert settled(sample) == settled(printed)


def settled(text: str) -> str:
    """Returns what is printed with everything that differs from start to start taken out."""
    text = re.sub(r"Starting on \S+", "Starting on", text)
    text = re.sub(r"Ready in [\d.]+ s", "Ready", text)
    return re.sub(r"password \S+ \(shown", "password (shown", text).strip()


def test_rest_examples(started: Started, tmp_path: Path) -> None:
    """Every example of the section does what the text around it says."""
    shell = Shell(started.system, tmp_path)
    account, look, submit, change, approve, watch, quote, cancel, refusal = blocks("REST")

    assert "grace" == answers(shell.run(account))[0]["username"]
    pools, best, quota = answers(shell.run(look))
    assert {"cost", "performance", "availability", "balanced"} == best["recommendations"].keys()
    assert {"training", "inference"} <= {pool["name"] for pool in pools["pools"]}
    assert 10.0 == quota["left_gpu_hours"]
    job, jobs = answers(shell.run(submit))
    assert shell.value("JOB") == job["id"]
    assert ("PENDING", [job["id"]]) == (job["status"], [it["id"] for it in jobs["jobs"]])
    shell.run(submit)
    assert shell.value("JOB") == job["id"], "the key did not make the repeat harmless"
    assert "access_token" in answers(shell.run(change))[0]
    assert job["id"] == answers(shell.run(approve))[0]["id"]
    assert re.search(r"^id: \S+$", shell.watch(watch, '"status":"COMPLETED"'), re.MULTILINE)
    quoted, held = answers(shell.run(quote))
    assert (
        "It would start at once in inference, for 0.20 USD, once an admin has approved it."
        == (quoted["message"])
    )
    assert {"micros": "400000", "currency_code": "USD"} == held["hourly_price_limit"]
    assert "CANCELLED" == answers(shell.run(cancel))[0]["status"]
    assert "QUOTA_EXCEEDED" == answers(shell.run(refusal))[0]["reason"]


def test_account_examples(started: Started, tmp_path: Path) -> None:
    """Tokens are refreshed, keys exchanged, and an administrator sees who is there."""
    shell = Shell(started.system, tmp_path)
    account, *_ = blocks("REST")
    approve = blocks("REST")[4]
    log_in, _, _ = approve.partition("\n\n")
    for block in (account, log_in):
        shell.run(block.replace("grace", "grete"))
    examples = [it.replace("grace", "grete") for it in blocks("Accounts")]
    session, key, direct, ticket, administration = examples

    assert "grete" == answers(shell.run(session))[0]["username"]
    [listed] = answers(shell.run(key))[0]["api_keys"]
    assert ("nightly", True) == (listed["name"], "last_used_time" in listed)
    assert "jobs" in answers(shell.run(direct))[0]
    assert "id: " in shell.run(ticket)
    users, events = answers(shell.run(administration))
    assert "grete" in [user["username"] for user in users["users"]]
    assert 3 == len(events["audit_events"])


def test_pages_for_machines(started: Started, tmp_path: Path) -> None:
    """The paths that the section names are there."""
    shell = Shell(started.system, tmp_path)
    paths = re.findall(r"`(/[a-z.]+)`", section("REST"))

    assert {"/openapi.json", "/readyz", "/metrics"} <= set(paths)
    for path in paths:
        shell.run(f"curl -sSf http://127.0.0.1:8000{path}")


def test_every_make_target_exists() -> None:
    """Whatever the reader is told to make can be made."""
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`|\d )make ([a-z-]+)", README.read_text(), re.MULTILINE))

    assert {"run", "test", "secrets", "replay"} <= named
    assert set() == named - known


@pytest.mark.parametrize("heading", ["REST", "Accounts", "Administration by grpcurl"])
def test_no_example_is_left_out(heading: str) -> None:
    """Each block of these sections is marked as one that tests run."""
    fences = re.findall(r"^```(\w*)$", section(heading), re.MULTILINE)

    assert {"bash"} == set(fences[::2])
