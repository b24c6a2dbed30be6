"""Nothing of the domain or the application shows a credential when it is written into a log."""

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module

from auth_service import application, domain
from servicekit.values import Value

CREDENTIAL = re.compile(r"password$|password_hash|_hash$|token$|secret|seal$|private_key$|^tag$")
SHOWN = {
    ("RefreshSession", "token"),  # A value that hides what it has.
    ("Page", "next_page_token"),  # Opens nothing.
}


def test_every_credential_is_hidden() -> None:
    """Fields are known by their names, so that a new one is noticed."""
    shown = {
        (value.__name__, name)
        for value in values()
        for name in value.__struct_fields__
        if CREDENTIAL.search(name) and name not in value.hidden
    }
    assert SHOWN == shown


def test_what_is_hidden_is_there() -> None:
    """A field that was renamed would be shown."""
    wrong = [
        (value.__name__, name)
        for value in values()
        for name in value.hidden
        if name not in value.__struct_fields__
    ]
    assert [] == wrong


def values() -> Iterator[type[Value]]:
    """Gives every value of the two rooms."""
    for room in (domain, application):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            found = vars(import_module(module.name)).values()
            yield from (
                it
                for it in found
                if isinstance(it, type) and issubclass(it, Value) and it.__module__ == module.name
            )
