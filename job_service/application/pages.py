"""Parts of lists, by keyset."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from servicekit.tokens import KeyValue, encode_page_token
from servicekit.values import Value

T = TypeVar("T")


class Page(Value, Generic[T], frozen=True):
    """Part of a list, and the token that gives the next part; empty on the last."""

    items: list[T]
    next_page_token: str


def page_of(
    scope: str, rows: Sequence[T], keys: Sequence[Sequence[KeyValue]], size: int
) -> Page[T]:
    """The first ``size`` of up to ``size + 1`` rows, with a token if there are more."""
    more = len(rows) > size
    return Page(list(rows[:size]), encode_page_token(scope, keys[size - 1]) if more else "")
