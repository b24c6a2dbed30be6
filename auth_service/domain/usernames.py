"""What a user may be called, and when two names are the same."""

import unicodedata

from auth_service.domain.errors import UsernameInvalid

SHORTEST = 3
LONGEST = 64
PUNCTUATION = frozenset("._-@")

_EXPECTED = (
    f"{SHORTEST} to {LONGEST} letters, digits, '.', '_', '-' or '@', a letter or digit first"
)


def checked_username(text: str) -> str:
    """Returns the name as it is shown, in Unicode's form NFKC.

    Raises:
        UsernameInvalid: it is no name.
    """
    name = unicodedata.normalize("NFKC", text) if len(text) <= LONGEST else ""
    if not SHORTEST <= len(name) <= LONGEST:
        raise UsernameInvalid(_EXPECTED)
    if not _is_alphanumeric(name[0]) or not all(map(_is_allowed, name)):
        raise UsernameInvalid(_EXPECTED)
    return name


def username_key(name: str) -> str:
    """Returns what two names have in common exactly when they count as the same name."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _is_allowed(character: str) -> bool:
    return character in PUNCTUATION or _is_alphanumeric(character) or _is_mark(character)


def _is_alphanumeric(character: str) -> bool:
    category = unicodedata.category(character)
    return category.startswith("L") or category == "Nd"


def _is_mark(character: str) -> bool:
    """Tells whether it is a sign on the letter before it, which many scripts cannot do without."""
    return unicodedata.category(character) in ("Mn", "Mc")
