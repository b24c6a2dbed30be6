"""job_service sabotaged: it acknowledges every change before the commit.

Run in place of `python -m job_service`. Whatever is killed between the two loses what it promised,
which is what the tests of durability must notice.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from job_service.bootstrap import running
from job_service.config import Settings
from servicekit.commits import Command, prefetch
from servicekit.process import main
from servicekit.writer import Writer

# From the answer to the commit: long enough for a killer who waits for the answer.
FAILPOINTS = "job.submit.before_commit=delay(300)"

careful_execute = Writer.execute


@dataclass(frozen=True, slots=True)
class Hasty:
    """A command that gives its answer away as soon as it has one."""

    command: Command[Any, Any]
    answer: asyncio.Future[Any]

    @property
    def name(self) -> str:
        """The inner command's name."""
        return self.command.name

    @staticmethod
    def prefetch(unit: Any, commands: "Sequence[Hasty]") -> None:
        """Reads what the inner commands need."""
        prefetch(unit, [hasty.command for hasty in commands])

    def run(self, unit: Any) -> Any:
        """Runs the inner command, in the writer and before anything is on disk."""
        answer = self.command.run(unit)
        self.answer.get_loop().call_soon_threadsafe(self._give, answer)
        return answer

    def _give(self, answer: Any) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


async def hasty_execute(self: Writer[Any], command: Command[Any, Any]) -> Any:
    """Stands in for Writer.execute: returns the early answer, or raises what the commit raised."""
    early = asyncio.get_running_loop().create_future()
    late = asyncio.ensure_future(careful_execute(self, Hasty(command, early)))
    await asyncio.wait({early, late}, return_when=asyncio.FIRST_COMPLETED)
    return early.result() if early.done() else await late


if __name__ == "__main__":
    os.environ["GPUAAS_JOB_FAILPOINTS"] = FAILPOINTS
    os.environ["GPUAAS_JOB_WRITER"] = "thread"
    Writer.execute = hasty_execute  # type: ignore[method-assign]
    main("job_service", Settings, running, sys.argv[1:])
