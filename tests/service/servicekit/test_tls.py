"""Over TLS, and with certificates on both sides; and what is said where one does not fit."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from local.certificates import Certificates, make_certificates
from servicekit.client import connect, departure
from servicekit.errors import Unavailable
from servicekit.interceptors import Edge
from servicekit.probe import grpc_is_serving
from servicekit.server import Server
from servicekit.tls import PLAINTEXT, Tls
from tests.service.servicekit.echo import (
    SERVICE,
    EchoRequest,
    EchoServicer,
    EchoStub,
    path,
    register,
)

ACCESS = {path(method.name): frozenset({"public"}) for method in SERVICE.methods}


@pytest.fixture
def ours(tmp_path: Path) -> Certificates:
    """Certificates by the authority that the server believes."""
    return make_certificates(tmp_path / "ours", ["server", "client"])


@pytest.fixture
def others(tmp_path: Path) -> Certificates:
    """Certificates by another authority."""
    return make_certificates(tmp_path / "others", ["client"])


@pytest.fixture
def complaints(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What channels log about connections."""
    said: list[str] = []

    class Log:
        def error(self, _event: str, *, target: str, why: str) -> None:
            said.append(why)

    monkeypatch.setattr(departure, "_log", Log())
    return said


def tls(of: Certificates, name: str, authority: Path | None = None, **more: Any) -> Tls:
    """Returns what a process with these certificates speaks with."""
    files = of.files(name)
    return Tls(files.certificate, files.key, authority or of.authority, **more)


@pytest.fixture(params=[False, True], ids=["TLS", "mutual TLS"])
async def port(request: pytest.FixtureRequest, ours: Certificates) -> AsyncIterator[int]:
    """A server that shows a certificate, and in half of the runs demands one."""
    server = Server(Edge(ACCESS, None))
    server.add(SERVICE, register, EchoServicer())
    # On all addresses, since one of the tests calls it by one that no certificate names.
    bound = server.listen("0.0.0.0:0", tls(ours, "server", require_clients=request.param))
    await server.start()
    yield bound
    await server.drain()


@pytest.fixture
def is_mutual(request: pytest.FixtureRequest) -> bool:
    """Whether the server demands certificates."""
    return "mutual" in request.node.name


async def greet(target: str, with_: Tls) -> str:
    """Calls once over a channel of its own."""
    async with connect(target, tls=with_) as channel:
        answer = await EchoStub(channel).Greet(EchoRequest(text="hi"), timeout=30)
        return str(answer.text)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_whoever_has_a_certificate_gets_in(port: int, ours: Certificates, host: str) -> None:
    """By name and by address; the health check too."""
    assert "hi" == await greet(f"{host}:{port}", tls(ours, "client"))


async def test_a_client_without_a_certificate(
    port: int, ours: Certificates, complaints: list[str], is_mutual: bool
) -> None:
    """It knows whom it calls, and is let in where nobody demands more."""
    anonymous = Tls(authority=ours.authority)
    if not is_mutual:
        assert "hi" == await greet(f"localhost:{port}", anonymous)
        return
    with pytest.raises(Unavailable):
        await greet(f"localhost:{port}", anonymous)
    assert ["the peer hangs up: it may demand a certificate by an authority that it believes"] == (
        complaints
    )


async def test_a_client_with_anothers_certificate(
    port: int, ours: Certificates, others: Certificates, is_mutual: bool
) -> None:
    """Where certificates are demanded it has to be one of the system's own."""
    stranger = tls(others, "client", authority=ours.authority)
    if not is_mutual:
        assert "hi" == await greet(f"localhost:{port}", stranger)
        return
    with pytest.raises(Unavailable):
        await greet(f"localhost:{port}", stranger)


async def test_a_server_of_another_authority_is_not_believed(
    port: int, others: Certificates, complaints: list[str]
) -> None:
    """Nothing is sent to it, no token above all."""
    with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        await greet(f"localhost:{port}", tls(others, "client"))
    assert ["the peer's certificate is not by the authority that we believe"] == complaints


async def test_a_server_under_a_wrong_name_is_not_believed(
    port: int, ours: Certificates, complaints: list[str]
) -> None:
    """A certificate of the system's own does not make one process another."""
    with pytest.raises(Unavailable, match="Hostname Verification"):
        await greet(f"127.0.0.2:{port}", tls(ours, "client"))
    assert ["the peer's certificate is for other names than its own"] == complaints


async def test_plaintext_does_not_get_in(port: int, complaints: list[str]) -> None:
    """And whoever forgot to configure it is told."""
    with pytest.raises(Unavailable):
        await greet(f"localhost:{port}", PLAINTEXT)
    assert ["the peer hangs up: it may speak TLS, and we do not"] == complaints


async def test_a_complaint_is_not_repeated_at_every_call(
    port: int, others: Certificates, complaints: list[str]
) -> None:
    """Loops try again and again; the log says it once in a while."""
    async with connect(f"localhost:{port}", tls=tls(others, "client")) as channel:
        for _ in range(3):
            with pytest.raises(Unavailable):
                await EchoStub(channel).Greet(EchoRequest(), timeout=30)
    assert 1 == len(complaints)


async def test_tls_towards_a_plain_server_fails(ours: Certificates, complaints: list[str]) -> None:
    """The other half of a half-configured system."""
    server = Server(Edge(ACCESS, None))
    server.add(SERVICE, register, EchoServicer())
    bound = server.listen("127.0.0.1:0")
    await server.start()
    with pytest.raises(Unavailable):
        await greet(f"localhost:{bound}", tls(ours, "client"))
    assert 1 == len(complaints)
    await server.drain()


async def test_the_probe_shows_its_certificate(port: int, ours: Certificates) -> None:
    """A container's health check gets in where a certificate is demanded."""
    address = f"127.0.0.1:{port}"
    assert await asyncio.to_thread(grpc_is_serving, address, tls(ours, "client"))
    assert not await asyncio.to_thread(grpc_is_serving, address)
