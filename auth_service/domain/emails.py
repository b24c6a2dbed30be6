"""What passes for an address; only a message sent to it would tell more."""

import re

from servicekit.errors import invalid

LONGEST = 254

_ADDRESS = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+")


def checked_email(text: str) -> str:
    """Returns the address, or an empty text for none.

    Raises:
        InvalidArgument: FIELD_INVALID, it is no address.
    """
    if text and (len(text) > LONGEST or not _ADDRESS.fullmatch(text)):
        raise invalid("email", f"an address such as name@example.org, {LONGEST} characters at most")
    return text


def email_key(email: str) -> str | None:
    """Returns what equal addresses have in common; None for no address, which equals no other."""
    return email.casefold() or None
