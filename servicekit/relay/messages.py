"""What both ends of a relay know: its method, and how much goes into one message."""

from collections import deque
from typing import TypeVar

from gpuaas.api.v1.relay_service_pb2 import DESCRIPTOR, RelayedAnswer, RelayedCall

RELAY_SERVICE = DESCRIPTOR.services_by_name["RelayService"]
RELAY = f"/{RELAY_SERVICE.full_name}/Relay"

TOGETHER_BYTES = 1024 * 1024
METADATA_BYTES = 8 * 1024
"""As much metadata as a call of its own may have."""

Part = TypeVar("Part", RelayedCall, RelayedAnswer)


def together(waiting: deque[Part]) -> list[Part]:
    """Takes what goes into the next message: as much as is waiting, or the first if it is large."""
    taken: list[Part] = []
    room = TOGETHER_BYTES
    while waiting and (not taken or waiting[0].ByteSize() <= room):
        room -= waiting[0].ByteSize()
        taken.append(waiting.popleft())
    return taken
