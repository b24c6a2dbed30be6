"""The server's edge: everything that happens to a call before and after its handler."""

from servicekit.interceptors.access import PUBLIC, AccessTable, access_table
from servicekit.interceptors.edge import EdgeInterceptor

__all__ = ["PUBLIC", "AccessTable", "EdgeInterceptor", "access_table"]
