"""Calls carried over one stream, for a program that makes many of them for many callers."""

from servicekit.relay.answering import RelayServicer
from servicekit.relay.keeping import Relay
from servicekit.relay.messages import RELAY, RELAY_SERVICE
from servicekit.relay.sending import relayed

__all__ = ["RELAY", "RELAY_SERVICE", "Relay", "RelayServicer", "relayed"]
