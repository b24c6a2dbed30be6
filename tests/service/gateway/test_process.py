"""The gateway as a process: it drains on SIGTERM, and says clearly why it cannot start."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

import httpx

from tests.service.gateway.services import Witness, servers


async def start(**settings: str) -> asyncio.subprocess.Process:
    """Starts `python -m gateway` with these settings."""
    variables = {f"GPUAAS_GATEWAY_{name.upper()}": text for name, text in settings.items()}
    path = os.pathsep.join(sys.path)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway"),
        env={**os.environ, **variables, "PYTHONPATH": path},
        stderr=asyncio.subprocess.PIPE,
    )


async def port_of(process: asyncio.subprocess.Process) -> int:
    """Returns the port that the process says it listens on."""
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while b'"listening"' not in (line := await process.stderr.readline()):
            assert line, "the gateway ended before it listened"
    return int(line.partition(b'"port":')[2].partition(b"}")[0])


async def test_sigterm_answers_what_is_under_way_and_exits_with_0() -> None:
    """A request that was being served when the signal came gets its answer."""
    witness = Witness()
    witness.hang = True
    jobs = servers(witness)["job"]
    target = f"127.0.0.1:{jobs.listen('127.0.0.1:0')}"
    await jobs.start()
    process = await start(listen="127.0.0.1:0", job_target=target)
    port = await port_of(process)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        asking = asyncio.create_task(client.post("/api/v1/jobs", json={}))
        await asyncio.wait_for(witness.begun.wait(), 30)
        process.send_signal(signal.SIGTERM)
        await refused(port)
        witness.release.set()
        answer = await asking
    code = await asyncio.wait_for(process.wait(), 30)
    await jobs.drain()

    assert (200, 0) == (answer.status_code, code)


async def refused(port: int) -> None:
    """Returns when the port takes no more connections."""
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return
            writer.close()
            await writer.wait_closed()


async def test_a_taken_port_is_a_clear_message_and_exit_code_2() -> None:
    """Who starts a second gateway reads which address is taken, and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = await start(listen=address)
        _, stderr = await asyncio.wait_for(process.communicate(), 30)

    assert 2 == process.returncode
    assert f"cannot listen on {address}" in stderr.decode()
    assert b"Traceback" not in stderr


async def test_a_wrong_setting_is_a_clear_message_and_exit_code_2() -> None:
    """The variable is named, and what was expected of it."""
    process = await start(listen="everywhere")
    _, stderr = await asyncio.wait_for(process.communicate(), 30)

    assert 2 == process.returncode
    assert "GPUAAS_GATEWAY_LISTEN: expected host:port" in stderr.decode()
