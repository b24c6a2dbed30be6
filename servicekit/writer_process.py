"""The process that commits a service's groups; `writer_hosts.InProcess` starts it and speaks to it.

The rooms have the same names in every service: the unit of work is `SqlUnitOfWork` in
`<package>.adapters.unit`, the tables are in `<package>.adapters.tables`.
"""

import pickle
import signal
import sys
from importlib import import_module
from multiprocessing.connection import Connection

from servicekit import failpoints, logs
from servicekit.commits import Commits
from servicekit.database import Database
from servicekit.process import spare_the_collector
from servicekit.writer_hosts import Assignment


def main(descriptor: int) -> None:
    """Serves the connection until its other end closes it, or the process there is gone."""
    # A signal to the whole group is for the service, which finishes and closes the connection.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection = Connection(descriptor)
    assignment: Assignment = connection.recv()
    logs.configure(assignment.package, assignment.log_level)
    failpoints.configure(assignment.failpoints)
    tables = import_module(f"{assignment.package}.adapters.tables").PLUMBING
    unit = import_module(f"{assignment.package}.adapters.unit").SqlUnitOfWork
    commits = Commits(Database(assignment.database_url), tables, unit)
    spare_the_collector()
    connection.send("ready")
    while True:
        try:
            group = pickle.loads(connection.recv_bytes())  # noqa: S301 - our own process
            settled = commits.settle(group)
            connection.send_bytes(pickle.dumps(settled, pickle.HIGHEST_PROTOCOL))
        except (EOFError, OSError):
            return


if __name__ == "__main__":
    main(int(sys.argv[1]))
