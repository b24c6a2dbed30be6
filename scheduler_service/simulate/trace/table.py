"""CSV files with a header, read with complaints that name the file, the line and the column."""

import csv
import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from scheduler_service.domain.scheduling.requests import SECOND
from scheduler_service.simulate.errors import BadInput, bad_value

LONGEST = 1 << 55
"""Microseconds in some thousand years: no time in a trace is greater."""


class Row:
    """One line of a table, and what its values are taken for."""

    __slots__ = ("_cells", "_table", "line")

    def __init__(self, table: "Table", line: int, cells: list[str]) -> None:
        self.line = line
        self._cells = cells
        self._table = table

    def text(self, column: str) -> str:
        """A value as it stands; empty where the table has no such column."""
        place = self._table.places.get(column)
        return "" if place is None else self._cells[place].strip()

    def count(self, column: str, least: int = 0, default: int | None = None) -> int:
        """A whole number, also when it is written as 4.0."""
        text = self.text(column)
        if not text and default is not None:
            return default
        try:
            number = float(text)
            value = int(number)
        except (ValueError, OverflowError):
            raise self.bad(column, "a whole number") from None
        if value != number or value < least:
            raise self.bad(column, f"a whole number of {least} or more")
        return value

    def time(self, column: str, unit: int = SECOND, default: int | None = None) -> int:
        """A time or a span in microseconds; ``unit`` is how many of them its number counts."""
        text = self.text(column)
        if not text and default is not None:
            return default
        try:
            value = float(text) * unit
        except ValueError:
            raise self.bad(column, "a number") from None
        if not math.isfinite(value) or not 0 <= value <= LONGEST:
            raise self.bad(column, "a number that is not negative and no longer than an age")
        return round(value)

    def moment(self, column: str) -> int:
        """A date with its time, or a number of seconds; in microseconds.

        A date without a zone is taken for UTC, as only differences matter.
        """
        try:
            date = datetime.fromisoformat(self.text(column))
        except ValueError:
            return self.time(column)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return round(date.timestamp() * SECOND)

    def bad(self, column: str, expected: str) -> BadInput:
        """The complaint about one value."""
        return bad_value(self._table.path, self.line, column, expected, self.text(column))


class Table:
    """A CSV file with a header; lines before it that begin with ``#`` are passed over.

    Raises:
        BadInput: a required column is missing.
        OSError: the file cannot be read.

    Attributes:
        places: place of each column, by its name.
    """

    def __init__(self, path: Path, required: Iterable[str] = ()) -> None:
        self.path = path
        self.places: dict[str, int] = {}
        self._comments = 0
        with self._open() as file:
            header = next(csv.reader([self._header(file)]), [])
        self.places = {name.strip(): place for place, name in enumerate(header)}
        missing = [name for name in required if name not in self.places]
        if missing:
            raise BadInput(
                f"{path}, line {self._comments + 1}: the header lacks {', '.join(missing)}; "
                f"found {', '.join(self.places) or 'nothing'}"
            )

    def rows(self) -> Iterator[Row]:
        """All lines below the header; empty ones are passed over.

        Raises:
            BadInput: a line has another number of values than the header, or is no CSV.
        """
        with self._open() as file:
            for _ in range(self._comments + 1):
                next(file)
            reader = csv.reader(file, strict=True)
            above = self._comments + 1
            try:
                for cells in reader:
                    line = above + reader.line_num
                    if len(cells) == len(self.places):
                        yield Row(self, line, cells)
                    elif cells:
                        raise BadInput(
                            f"{self.path}, line {line}: expected {len(self.places)} values as in "
                            f"the header, found {len(cells)}"
                        )
            except (csv.Error, UnicodeDecodeError) as error:
                raise BadInput(f"{self.path}, line {above + reader.line_num}: {error}") from None

    def _header(self, file: Iterable[str]) -> str:
        self._comments = 0
        for line in file:
            if not line.startswith("#"):
                return line
            self._comments += 1
        return ""

    def _open(self) -> TextIO:
        return self.path.open(newline="", encoding="utf-8-sig")
