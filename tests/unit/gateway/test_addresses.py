"""X-Forwarded-For is believed as far as trusted proxies wrote it, and no further."""

import pytest

from gateway.addresses import client_address, networks_of

TRUSTED = networks_of("10.0.0.0/8, 192.0.2.1,2001:db8::/32")


@pytest.mark.parametrize(("peer", "lines", "expected"), [
    ("203.0.113.7", [], "203.0.113.7"),
    ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
    ("10.0.0.1", [], "10.0.0.1"),
    ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
    ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
    ("10.0.0.1", ["6.6.6.6, 198.51.100.1, 192.0.2.1"], "198.51.100.1"),
    ("10.0.0.1", ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
    ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
    ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
    ("10.0.0.1", [""], "10.0.0.1"),
    ("2001:db8::1", ["2001:DB9:0::7"], "2001:db9::7"),
    ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
    ("", ["198.51.100.1"], ""),
])  # fmt: skip
def test_the_client_is_the_first_hop_that_is_no_trusted_proxy(
    peer: str, lines: list[str], expected: str
) -> None:
    """Whatever stands left of it was written by the client itself, and may be anything."""
    headers = [(b"host", b"x"), *((b"x-forwarded-for", line.encode()) for line in lines)]
    assert expected == client_address(peer, headers, TRUSTED)


def test_a_header_of_endless_hops_is_not_followed_to_its_end() -> None:
    """A client behind trusted proxies cannot make us read on and on."""
    line = ", ".join(["198.51.100.1", *["10.0.0.9"] * 5000]).encode()
    assert "10.0.0.9" == client_address("10.0.0.1", [(b"x-forwarded-for", line)], TRUSTED)


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.0/99", "10.0.0.1/8"])
def test_what_is_no_network_is_named(text: str) -> None:
    """At the start of the process, not at the first request."""
    with pytest.raises(ValueError, match=text.replace(".", r"\.")):
        networks_of(f"10.0.0.1,{text}")
