"""What a team may be called."""

import re
import unicodedata

from servicekit.errors import invalid

DEFAULT = "default"
LONGEST = 64

_NAME = re.compile(r"[^\W_][\w.-]*")


def checked_team(text: str) -> str:
    """Returns the name as it is shown, in Unicode's form NFKC; FIELD_INVALID if it is none."""
    name = unicodedata.normalize("NFKC", text) if len(text) <= LONGEST else ""
    if not (0 < len(name) <= LONGEST and _NAME.fullmatch(name)):
        raise invalid(
            "team", f"1 to {LONGEST} letters, digits, '.', '_' or '-', a letter or digit first"
        )
    return name
