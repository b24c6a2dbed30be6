"""Whose address a request comes from, when proxies stand in between."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

FORWARDED_FOR = b"x-forwarded-for"
MOST_HOPS = 32

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address


def networks_of(text: str) -> list[Network]:
    """Returns the networks of a list with commas; ValueError names the one that is none."""
    return [_network(part.strip()) for part in text.split(",") if part.strip()]


def client_address(
    peer: str, headers: Iterable[tuple[bytes, bytes]], trusted: list[Network]
) -> str:
    """Returns the address of the client itself.

    Everybody can send X-Forwarded-For, so it is believed from right to left, and only as far as
    the hop that wrote an entry is one of the `trusted` proxies: the first other one is the client.
    """
    address = _address(peer)
    if address is None or not _among(address, trusted):
        return peer
    for entry in _entries(headers):
        hop = _address(entry)
        if hop is None:
            break
        address = hop
        if not _among(hop, trusted):
            break
    return str(address)


def _entries(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """Returns the header's entries, the one of the nearest hop first."""
    lines = [value.decode("latin-1") for name, value in headers if name == FORWARDED_FOR]
    return [entry.strip() for entry in ",".join(lines).split(",")[: -MOST_HOPS - 1 : -1]]


def _among(address: Address, networks: list[Network]) -> bool:
    return any(address in network for network in networks)


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(f"expected addresses or networks with commas, not {text!r}") from None
