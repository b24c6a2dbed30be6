"""README.md's examples for grpcurl, run through `buf curl`; see grpcurl.py."""

import json
from pathlib import Path

import pytest

from tests.system.conftest import Started
from tests.system.readme import Shell, blocks


@pytest.fixture
def shell(started: Started, tmp_path: Path) -> Shell:
    """A shell as the section begins: a job waits, and $ADMIN is an administrator's token."""
    shell = Shell(started.system, tmp_path)
    account, _, submit, _, approve, *_ = blocks("REST")
    log_in, _, _ = approve.partition("\n\n")
    for block in (account, submit, log_in):
        shell.run(block.replace("grace", "linus").replace("4b6c1f0e", "00000000"))
    return shell


def test_grpcurl_examples(shell: Shell) -> None:
    """Listing, describing, health, approving, watching and granting work as shown."""
    look, health, approve, watch, grant = blocks("Administration by grpcurl")

    printed = shell.run(look)
    assert {"gpuaas.job.v1.JobService", "grpc.health.v1.Health"} <= set(printed.split())
    assert "gpuaas.job.v1.JobService/ApproveJob" in printed
    assert {"status": "SERVING"} == json.loads(shell.run(health))
    waiting = shell.value("JOB")
    printed = shell.run(approve)
    assert waiting == shell.value("JOB")
    assert '"approvedBy"' in printed
    assert waiting in shell.watch(watch, "COMPLETED")
    quota = json.loads(shell.run(grant))["quota"]
    assert 25 == quota["grantedGpuHours"]


def test_a_token_is_needed(shell: Shell) -> None:
    """The examples work because of the token: without it the same call is refused."""
    approve = blocks("Administration by grpcurl")[2]

    with pytest.raises(AssertionError, match="unauthenticated"):
        shell.run(f"ADMIN=nobody\n{approve}")
