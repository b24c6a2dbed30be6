"""The base of a service's values: what its domain is made of, and the commands that change it."""

from functools import cache
from typing import Any, ClassVar

import msgspec
from msgspec import Struct, field
from msgspec.structs import asdict, replace

__all__ = ["PlainValue", "Value", "asdict", "field", "replace"]


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


class PlainValue(Value, frozen=True):
    """A value that holds plain data only, all of it typed: no command, function or error.

    It travels as one piece of MessagePack, however much hangs on it; pickling each of its parts
    takes five times as long.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpacked, (type(self), _packer.encode(self))


_packer = msgspec.msgpack.Encoder()


def _unpacked(cls: type, packed: bytes) -> Any:
    return _unpacker(cls).decode(packed)


@cache
def _unpacker(cls: type) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(cls)
