"""HTTP calls to addresses that users gave: never into the network that the service stands in.

A name is resolved once per call, every address that it has must be public, and the connection goes
to the address that was checked. Redirects are not followed, answers are not read.
"""

import asyncio
import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx

from job_service.domain.errors import WebhookUrlForbidden

TIMEOUT_S = 10.0
RESOLVE_TIMEOUT_S = 5.0
MOST_CONNECTIONS = 64
LONGEST_URL = 2048
LONGEST_ERROR = 200

_TRANSLATED = IPv6Network("64:ff9b::/96")
"""Addresses that a gateway turns into IPv4 ones (RFC 6052)."""


class HttpSender:
    """Posts by httpx. ``lenient`` allows plain HTTP and private addresses, for development."""

    def __init__(self, *, lenient: bool) -> None:
        self._lenient = lenient
        # No connection is kept: the next name at the same address must not ride on its name.
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            timeout=TIMEOUT_S,
            limits=httpx.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=0),
            headers={"User-Agent": "gpuaas-webhooks"},
        )

    async def close(self) -> None:
        """Closes every connection."""
        await self._client.aclose()

    async def check(self, url: str) -> None:
        """Raises WebhookUrlForbidden unless the address may be called."""
        await self._address(self._parsed(url))

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        """Posts a body; answers the HTTP status, 0 without one, and what went wrong, if any."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status = await self._post(self._parsed(url), headers, body)
        except WebhookUrlForbidden as refused:
            return 0, refused.message[:LONGEST_ERROR]
        except TimeoutError:
            return 0, f"no answer within {TIMEOUT_S:.0f} s"
        except httpx.HTTPError as error:
            return 0, f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
        return status, "" if 200 <= status < 300 else f"answered {status}"

    async def _post(self, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> int:
        address = await self._address(url)
        name = url.raw_host.decode("ascii")
        request = self._client.build_request(
            "POST",
            url.copy_with(host=address),
            headers={**headers, "Host": url.netloc.decode("ascii")},
            content=body,
            extensions={"sni_hostname": name},
        )
        response = await self._client.send(request, stream=True)
        await response.aclose()
        return response.status_code

    def _parsed(self, url: str) -> httpx.URL:
        schemes = ("https", "http") if self._lenient else ("https",)
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError):
            raise WebhookUrlForbidden("an absolute URL") from None
        if parsed.scheme not in schemes or not parsed.host or len(url) > LONGEST_URL:
            raise WebhookUrlForbidden(
                f"an absolute URL that begins with {' or '.join(schemes)}://, of at most "
                f"{LONGEST_URL} characters"
            )
        if parsed.userinfo or parsed.fragment:
            raise WebhookUrlForbidden("an address without user name, password and fragment")
        return parsed

    async def _address(self, url: httpx.URL) -> str:
        """The address to connect to."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                found = await loop.getaddrinfo(
                    url.raw_host.decode("ascii").strip("[]"), None, type=socket.SOCK_STREAM
                )
        except (OSError, UnicodeError, TimeoutError):
            raise WebhookUrlForbidden("a host whose name can be resolved") from None
        addresses = [str(info[4][0]).partition("%")[0] for info in found]
        if not self._lenient and not all(is_public(ip_address(it)) for it in addresses):
            raise WebhookUrlForbidden("a host with public addresses only")
        return addresses[0]


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is out in the internet, and no detour to one that is not."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None or address in _TRANSLATED:
            return False
    return address.is_global and not address.is_multicast
