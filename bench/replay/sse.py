"""Server-sent events, as the HTML standard parses them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `kind` is empty where the server named none."""

    kind: str
    data: str


class Parser:
    """Takes a stream line by line. `last_id` is what to resume from, and outlives the stream."""

    def __init__(self) -> None:
        self.last_id = ""
        self._kind = ""
        self._data: list[str] = []
        self._id: str | None = None

    def restart(self) -> None:
        """Forgets a message that the cut of a stream left unfinished."""
        self._begin_message()

    def feed(self, line: str) -> Event | None:
        """Takes a line without its end; returns the event that an empty line completes."""
        if not line:
            return self._complete()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._kind = value
        elif field == "id" and "\0" not in value:
            self._id = value
        return None

    def _complete(self) -> Event | None:
        if self._id is not None:
            self.last_id = self._id
        event = Event(self._kind, "\n".join(self._data)) if self._data else None
        self._begin_message()
        return event

    def _begin_message(self) -> None:
        self._kind, self._data, self._id = "", [], None
