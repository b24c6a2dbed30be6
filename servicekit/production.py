"""What is too weak for production, whoever uses it: secrets and databases."""

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

SHORTEST_SECRET = 16
FEWEST_CHARACTERS = 6

_TELLTALE = ("password", "passwort", "changeme", "change-me", "secret", "default", "example")


def weakness_of_secret(secret: str) -> str | None:
    """Returns what is expected in place of a weak secret; None for one that is not obviously weak.

    Nothing here measures entropy: it finds what was never meant to be a secret.
    """
    if not secret:
        return "a secret"
    if len(secret) < SHORTEST_SECRET:
        return f"{SHORTEST_SECRET} characters or more"
    told = any(word in secret.lower() for word in _TELLTALE)
    if told or len(set(secret)) < FEWEST_CHARACTERS:
        return "a random secret, such as `make secrets` makes"
    return None


def weakness_of_database(url: str) -> str | None:
    """Returns what is expected in place of an unfit database URL, or None."""
    try:
        parts = make_url(url)
    except ArgumentError:
        return "a database URL"
    if parts.get_backend_name() == "sqlite":
        in_memory = parts.database in (None, "", ":memory:") or "mode=memory" in url
        return "a database that outlives the process" if in_memory else None
    weakness = weakness_of_secret(parts.password) if parts.password is not None else None
    return f"as the database's password {weakness}" if weakness else None
