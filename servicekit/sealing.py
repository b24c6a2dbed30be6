"""Encryption of secrets at rest: AES-256-GCM under a key from the configuration."""

import base64
import binascii
import os
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import AfterValidator, SecretStr

KEY_BYTES = 32
EXPECTED = "a key, such as `openssl rand -base64 32` makes,"
"""What production expects where there is no key."""

_NONCE_BYTES = 12


class Unreadable(Exception):
    """A secret is sealed, and not under the key that is configured, if one is."""


@dataclass(frozen=True, slots=True)
class Seal:
    """Seals and opens secrets, each bound to the id of what it is a secret of.

    So none opens in the place of another. Who has no key stores secrets as they are, unsealed.
    """

    key: bytes = field(default=b"", repr=False)

    def seal(self, secret: bytes, owner_id: str) -> bytes:
        """The secret encrypted, after the nonce that belongs to it."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self.key).encrypt(nonce, secret, owner_id.encode())

    def open(self, sealed: bytes, owner_id: str) -> bytes:
        """The secret.

        Raises:
            Unreadable: it was sealed under another key or for another owner, or there is no key.
        """
        if not self.key:
            raise Unreadable(f"the secret of {owner_id} is encrypted, and no key is configured")
        nonce, encrypted = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return AESGCM(self.key).decrypt(nonce, encrypted, owner_id.encode())
        except (InvalidTag, ValueError):  # The latter for what is too short to be anything sealed.
            raise Unreadable(f"the secret of {owner_id} is encrypted under another key") from None


def key_bytes(setting: SecretStr) -> bytes:
    """The key of a setting; empty for none."""
    try:
        return base64.b64decode(setting.get_secret_value(), validate=True)
    except binascii.Error:
        return b"no base64"


def _is_a_key(setting: SecretStr) -> SecretStr:
    if setting.get_secret_value() and len(key_bytes(setting)) != KEY_BYTES:
        raise ValueError(f"expected the base64 of {KEY_BYTES} bytes")
    return setting


KeySetting: TypeAlias = Annotated[SecretStr, AfterValidator(_is_a_key)]
"""A setting that holds a key in base64, or nothing."""
