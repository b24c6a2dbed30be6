"""Channels to other services: deadlines, read-only retries, metadata, and errors as `Failure`s."""

from servicekit.client.calls import ResponseStream
from servicekit.client.channel import (
    CHANNEL_OPTIONS,
    MAX_MESSAGE_BYTES,
    MAX_METADATA_BYTES,
    ServiceChannel,
    connect,
    read_only_methods,
)
from servicekit.client.departure import Metadata, TokenSource

__all__ = [
    "CHANNEL_OPTIONS",
    "MAX_MESSAGE_BYTES",
    "MAX_METADATA_BYTES",
    "Metadata",
    "ResponseStream",
    "ServiceChannel",
    "TokenSource",
    "connect",
    "read_only_methods",
]
