"""Encryption of private keys at rest: AES-256-GCM under a key from the configuration."""

import os
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from auth_service.domain.signing_keys import SigningKey
from servicekit.values import replace

KEY_BYTES = 32
_NONCE_BYTES = 12


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
        nonce = os.urandom(_NONCE_BYTES)
        encrypted = AESGCM(self.key).encrypt(nonce, key.private_key, key.id.encode())
        return replace(key, private_key=nonce + encrypted, sealed=True)

    def private_key(self, key: SigningKey) -> bytes:
        """Returns the 32 raw bytes.

        Raises:
            KeyUnreadable: they are encrypted under another key.
        """
        if not key.sealed:
            return key.private_key
        if not self.key:
            raise KeyUnreadable(f"signing key {key.id} is encrypted, and no key is configured")
        nonce, encrypted = key.private_key[:_NONCE_BYTES], key.private_key[_NONCE_BYTES:]
        try:
            return AESGCM(self.key).decrypt(nonce, encrypted, key.id.encode())
        except InvalidTag:
            raise KeyUnreadable(f"signing key {key.id} is encrypted under another key") from None
