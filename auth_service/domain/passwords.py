"""Which passwords are good enough. Length is asked for, never a mixture of characters.

Refused besides length is what guessers try first: common passwords, also with digits around them,
a few characters again and again, runs of the alphabet or the digits, and the user's own name
(NIST SP 800-63B-4, section 3.1.1.2).
"""

import unicodedata
from collections.abc import Collection

from auth_service.domain.errors import PasswordTooWeak
from servicekit.values import Value

LONGEST_BYTES = 1024

_LONGEST_UNIT = 4
_OUR_NAME = "gpuaas"
_RUNS = (
    "abcdefghijklmnopqrstuvwxyz" * 2,
    "0123456789" * 4,
    "qwertyuiopasdfghjklzxcvbnm",
)


class PasswordRules(Value, frozen=True):
    """What a new password has to satisfy; `min_length` counts characters.

    `common` has the passwords that everybody guesses first, in small letters.
    """

    hidden = ("common",)
    min_length: int = 12
    common: Collection[str] = frozenset()

    def check(self, password: str, *about: str, field_name: str = "password") -> None:
        """Raises PasswordTooWeak unless the password is within the limits, and hard to guess.

        `about` are the user's name and address, which are no passwords.
        """
        if len(password) < self.min_length:
            raise PasswordTooWeak(f"{self.min_length} characters or more", field_name)
        if len(password.encode("utf-8", "replace")) > LONGEST_BYTES:
            raise PasswordTooWeak(f"at most {LONGEST_BYTES} bytes of UTF-8", field_name)
        plain = _plain(password)
        if self._is_common(plain) or _is_repeated(plain) or _is_run(plain):
            raise PasswordTooWeak("a password that is not a common or simple one", field_name)
        if plain in {_OUR_NAME, *map(_plain, filter(None, about))}:
            raise PasswordTooWeak("something else than your own name", field_name)

    def _is_common(self, plain: str) -> bool:
        """Also with digits and signs around it, or said twice or more."""
        core = plain.strip("0123456789!@#$%^&*()-_=+.,?/ ")
        return any(text in self.common for text in (plain, core, _unit(plain), _unit(core)) if text)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _is_repeated(plain: str) -> bool:
    return len(_unit(plain)) <= min(_LONGEST_UNIT, len(plain) // 2)


def _is_run(plain: str) -> bool:
    return any(plain in run or plain[::-1] in run for run in _RUNS)


def _unit(text: str) -> str:
    """Returns the shortest text that gives this one when it is repeated; a whole text, itself."""
    return text[: (text + text).find(text, 1)] if text else text
