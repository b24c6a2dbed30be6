"""How far the loops have read."""

from typing import ClassVar

from job_service.application.ports import UnitOfWork
from servicekit.values import Value


class MoveCursor(Value, frozen=True):
    """Notes how far a loop has read, once what it did with it is done."""

    name: ClassVar[str] = "cursor.move"
    reader: str
    position: str

    def run(self, unit: UnitOfWork) -> None:
        """Stores the position."""
        unit.cursors.move(self.reader, self.position)
