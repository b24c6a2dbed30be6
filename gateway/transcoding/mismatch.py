"""A JSON value that does not fit its field: where, and what was expected there."""

from __future__ import annotations

from collections.abc import Iterable

from servicekit.errors import InvalidArgument, Violation

MOST_VIOLATIONS = 20
"""So many are reported at once; a body of a million mistakes gets a short answer."""


class Mismatch(Exception):
    """One or more violations, their paths relative to the value that was being read."""

    def __init__(self, *violations: Violation) -> None:
        super().__init__(violations)
        self.violations = violations[:MOST_VIOLATIONS]

    @staticmethod
    def expected(what: str) -> Mismatch:
        """Returns the mismatch of the value itself: "expected a string"."""
        return Mismatch(Violation("", f"expected {what}"))

    def under(self, name: str) -> Iterable[Violation]:
        """Yields the violations as seen from the holder of the value, one step up."""
        for violation in self.violations:
            yield Violation(_joined(name, violation.field), violation.description)

    def failure(self) -> InvalidArgument:
        """Returns what the caller is told: the first violation in words, all of them as a list."""
        first, *others = self.violations
        message = f"{first.field or 'body'}: {first.description}"
        if others:
            message += f" (and {len(others)} more)"
        return InvalidArgument(
            message,
            reason="FIELD_INVALID",
            metadata={"field": first.field},
            violations=self.violations,
        )


def _joined(name: str, path: str) -> str:
    if not path:
        return name
    return f"{name}{path}" if path.startswith("[") else f"{name}.{path}"
