"""Sets as whole numbers: bit ``n`` stands for the node, or the device, of number ``n``.

Numbers never change, so that a copy of a set costs nothing, and what several sets have in common is
a machine operation for each sixty-four members.
"""

from collections.abc import Iterator

_LOWEST: dict[tuple[int, int], int] = {}
_MOST = 1 << 16


def first(members: int) -> int:
    """The lowest member of a set; -1 if it is empty."""
    return (members & -members).bit_length() - 1


def each(members: int) -> Iterator[int]:
    """The members of a set, lowest first."""
    if not members:
        return
    # The lowest one is mostly all that is asked for, and writing out the digits is dear.
    lowest_bit = members & -members
    yield lowest_bit.bit_length() - 1
    digits = f"{members ^ lowest_bit:b}"[::-1]
    at = digits.find("1")
    while at >= 0:
        yield at
        at = digits.find("1", at + 1)


def lowest(devices: int, count: int) -> int:
    """The set of the ``count`` lowest of a small set, of which there are few different ones."""
    found = _LOWEST.get((devices, count))
    if found is None:
        found, left = 0, devices
        for _ in range(count):
            found |= left & -left
            left &= left - 1
        if len(_LOWEST) > _MOST:
            _LOWEST.clear()
        _LOWEST[devices, count] = found
    return found
