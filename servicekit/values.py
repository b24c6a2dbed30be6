"""The base of a service's values: what its domain is made of, and the commands that change it."""

from typing import ClassVar

from msgspec import Struct, field
from msgspec.structs import asdict, replace

__all__ = ["Value", "asdict", "field", "replace"]


class Value(Struct, frozen=True, omit_defaults=True):
    """Compared by content and never changed; ``replace`` makes a changed copy.

    A job's row, its events and the commands that travel to the writer's process hold nothing else,
    so it is made to be cheap to build, to write as JSON (defaults left out) and to pickle.
    """

    hidden: ClassVar[tuple[str, ...]] = ()
    """Fields that ``repr`` leaves out, because a log must not have them."""

    def __repr__(self) -> str:
        """Shows every field that is not hidden."""
        shown = (name for name in self.__struct_fields__ if name not in self.hidden)
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__name__}({fields})"
