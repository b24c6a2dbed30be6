"""Calls carried over one stream, for a program that makes many of them for many callers."""

from servicekit.relay.answering import RELAY_SERVICE, RelayServicer
from servicekit.relay.asking import Relay
from servicekit.relay.sending import relayed

__all__ = ["RELAY_SERVICE", "Relay", "RelayServicer", "relayed"]
