"""Passwords that everybody guesses first, as the zxcvbn project has counted them in leaks."""

from zxcvbn.frequency_lists import FREQUENCY_LISTS

SHORTEST = 5
"""Shorter ones are no passwords here anyway, and would forbid whatever is built around them."""


def common_passwords() -> frozenset[str]:
    """Returns some 30,000 passwords in small letters."""
    return frozenset(it for it in FREQUENCY_LISTS["passwords"] if len(it) >= SHORTEST)
