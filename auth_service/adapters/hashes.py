"""The forms in which password hashes are stored: our own, and two that are taken over from others.

- `$2b$12$...`: bcrypt over the base64 of the password's SHA-256, since bcrypt reads no more than 72
  bytes and stops at a zero byte. This is what new hashes are.
- `$pbkdf2-sha256$29000$salt$checksum`: PBKDF2-HMAC-SHA256 in the modular crypt format that passlib
  writes, with its base64 alphabet ("." for "+", no padding).
- `$plain$2b$12$...`: bcrypt over the password itself, from systems that do so.
"""

import base64
import binascii
import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass

import bcrypt

PLAIN = "$plain"
BCRYPT_READS = 72
MOST_ROUNDS = 2_000_000
STRONGEST_COST = 16
_CHECKSUM_BYTES = 32
_LONGEST = 512

_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_PBKDF2 = re.compile(r"\$pbkdf2-sha256\$([1-9]\d{0,9})\$([./A-Za-z0-9]*)\$([./A-Za-z0-9]+)")


@dataclass(frozen=True, slots=True)
class Pbkdf2:
    """What a PBKDF2-SHA256 hash says."""

    rounds: int
    salt: bytes
    checksum: bytes

    def matches(self, password: str) -> bool:
        """Tells whether it is this password's hash; no form of Unicode is preferred."""
        found = hashlib.pbkdf2_hmac("sha256", password.encode(), self.salt, self.rounds)
        return hmac.compare_digest(found, self.checksum)


def verified(password: str, stored: str) -> bool:
    """Tells whether a stored hash is this password's. Slow: belongs into a thread."""
    if stored.startswith("$pbkdf2-sha256$"):
        return parsed_pbkdf2(stored).matches(password)
    if stored.startswith(PLAIN):
        return bcrypt.checkpw(password.encode()[:BCRYPT_READS], stored.removeprefix(PLAIN).encode())
    return bcrypt.checkpw(shortened(password), stored.encode())


def adopted(foreign: str) -> str:
    """Returns what to store for a hash that another system made.

    Raises:
        ValueError: it is none that can be verified; the message says what was expected.
    """
    if len(foreign) <= _LONGEST and foreign.startswith("$pbkdf2-sha256$"):
        parsed_pbkdf2(foreign)
        return foreign
    bcrypt_hash = _BCRYPT.fullmatch(foreign)
    if bcrypt_hash and 4 <= int(bcrypt_hash[1]) <= STRONGEST_COST:
        return PLAIN + foreign
    raise ValueError(
        "expected $pbkdf2-sha256$rounds$salt$checksum, or a bcrypt hash $2b$cost$... "
        f"of cost 4 to {STRONGEST_COST}"
    )


def parsed_pbkdf2(text: str) -> Pbkdf2:
    """Returns what a PBKDF2 hash says; ValueError says what was expected instead."""
    found = _PBKDF2.fullmatch(text)
    if not found:
        raise ValueError("expected $pbkdf2-sha256$rounds$salt$checksum in passlib's alphabet")
    rounds, salt, checksum = int(found[1]), _ab64(found[2]), _ab64(found[3])
    if rounds > MOST_ROUNDS:
        raise ValueError(f"expected at most {MOST_ROUNDS:,} rounds")
    if len(checksum) != _CHECKSUM_BYTES:
        raise ValueError(f"expected a checksum of {_CHECKSUM_BYTES} bytes, got {len(checksum)}")
    return Pbkdf2(rounds, salt, checksum)


def shortened(password: str) -> bytes:
    """Returns 44 bytes for any password."""
    normal = unicodedata.normalize("NFC", password)  # keyboards differ in how they compose
    return base64.b64encode(hashlib.sha256(normal.encode()).digest())


def _ab64(text: str) -> bytes:
    padded = text.replace(".", "+") + "=" * (-len(text) % 4)
    try:
        return base64.b64decode(padded, validate=True)
    except binascii.Error:
        raise ValueError("expected salt and checksum in passlib's base64") from None
