"""Encryption of private keys at rest, under a key from the configuration."""

from dataclasses import dataclass, field

from auth_service.domain.signing_keys import SigningKey
from servicekit.sealing import Seal, Unreadable
from servicekit.values import replace


class KeyUnreadable(Exception):
    """A private key is encrypted, and not under the key that is configured, if one is."""


@dataclass(frozen=True, slots=True)
class KeyChest:
    """Seals and opens private keys; without a key of its own it leaves them readable."""

    key: bytes = field(default=b"", repr=False)

    def sealed(self, key: SigningKey) -> SigningKey:
        """Returns the key with its private half encrypted, bound to the key's id."""
        if key.sealed or not self.key:
            return key
        return replace(key, private_key=Seal(self.key).seal(key.private_key, key.id), sealed=True)

    def private_key(self, key: SigningKey) -> bytes:
        """Returns the 32 raw bytes.

        Raises:
            KeyUnreadable: they are encrypted under another key.
        """
        if not key.sealed:
            return key.private_key
        try:
            return Seal(self.key).open(key.private_key, key.id)
        except Unreadable as unreadable:
            raise KeyUnreadable(f"a signing key is of no use: {unreadable}") from None
