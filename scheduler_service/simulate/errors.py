"""What is wrong with what the simulator was given."""

from pathlib import Path


class BadInput(ValueError):
    """Input that cannot be simulated; the message says where and what was expected."""


def bad_value(path: Path, line: int, column: str, expected: str, found: str) -> BadInput:
    """The complaint about one value of a file."""
    found = repr(found) if found else "nothing"
    return BadInput(f"{path}, line {line}, column {column}: expected {expected}, found {found}")
