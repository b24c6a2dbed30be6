"""job_service sabotaged: it acknowledges every change before the commit.

Run in place of `python -m job_service`. Whatever is killed between the two loses what it promised,
which is what the tests of durability must notice.
"""

import sys
import time
from typing import Any

from job_service.bootstrap import running
from job_service.config import Settings
from servicekit import writer
from servicekit.process import main
from servicekit.transaction import Transaction

HASTE_S = 0.3
"""From the answer to the commit: long enough for a killer who waits for the answer."""


def acknowledge_first(self: Any, group: list[Any]) -> None:
    """Does what the writer does, but for the order: answer, then commit, then publish."""
    connection = self._connect()
    with connection.begin():
        transaction = Transaction(connection, self._log.lock(connection), self._log.record)
        unit = self._unit(transaction)
        writer.prefetch(unit, [waiting.command for waiting in group])
        for waiting in group:
            writer._run_one(waiting, transaction, unit)
        transaction.flush()
        self._answer(group, [])
        time.sleep(HASTE_S)
    self._answer(group, transaction.recorded)


if __name__ == "__main__":
    writer.Writer._attempt = acknowledge_first  # type: ignore[method-assign]
    main("job_service", Settings, running, sys.argv[1:])
