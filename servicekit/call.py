"""What is known about the call being served: who, until when, and under which ids.

It travels in a context variable, so that code far from the wire (the client's interceptor, the
log) finds it without every function in between passing it on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from servicekit.errors import Unauthenticated

if TYPE_CHECKING:
    from servicekit.identity import Identity


class Forwarded(NamedTuple):
    """A client's address as somebody in between claims it, and the header that names who."""

    address: str
    authorization: str


class Call(NamedTuple):
    """One call: `deadline` is in monotonic seconds, `authorization` the header as it came.

    `peer` is the other end of the connection as gRPC writes it, `client` the address of whoever
    a service of ours called for, and `forwarded` such an address as long as it is only a claim.
    A named tuple, since one is made for every call and it is several times cheaper to make.
    """

    method: str
    identity: Identity | None = None
    request_id: str = ""
    traceparent: str = ""
    deadline: float | None = None
    authorization: str | None = None
    peer: str = ""
    forwarded: Forwarded | None = None
    client: str = ""

    @property
    def address(self) -> str:
        """The client's IP address, also behind the gateway; empty where there is none."""
        return _plain_address(self.client) or _plain_address(_host(self.peer))

    @property
    def caller(self) -> Identity:
        """The verified caller; Unauthenticated TOKEN_MISSING where nobody was identified."""
        if self.identity is None:
            raise Unauthenticated("this call needs a bearer token", reason="TOKEN_MISSING")
        return self.identity


_current: ContextVar[Call | None] = ContextVar("servicekit_call", default=None)


def current_call() -> Call:
    """Returns the call being served; RuntimeError outside of one (a loop, a test without one)."""
    call = _current.get()
    if call is None:
        raise RuntimeError("no call is being served here")
    return call


def call_or_none() -> Call | None:
    """Returns the call being served, or None outside of one."""
    return _current.get()


def enter_call(call: Call) -> None:
    """Makes `call` the current one for the rest of this task."""
    _current.set(call)


@contextmanager
def serving(call: Call) -> Iterator[Call]:
    """Makes `call` the current one within the block."""
    token = _current.set(call)
    try:
        yield call
    finally:
        _current.reset(token)


def _host(peer: str) -> str:
    """Returns the host of "ipv4:127.0.0.1:5000" or "ipv6:%5B::1%5D:5000"."""
    kind, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else ""


def _plain_address(text: str) -> str:
    """Returns an address in its one canonical form; nothing for what is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
