"""The server's edge: everything that happens to a call before and after its handler."""

from servicekit.interceptors.access import PUBLIC, AccessTable, access_table
from servicekit.interceptors.admission import CLIENT_ADDRESS, FORWARDER
from servicekit.interceptors.edge import Edge

__all__ = [
    "CLIENT_ADDRESS",
    "FORWARDER",
    "PUBLIC",
    "AccessTable",
    "Edge",
    "access_table",
]
