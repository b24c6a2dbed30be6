"""Encryption of secrets at rest."""

import base64

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from servicekit.sealing import KEY_BYTES, KeySetting, Seal, Unreadable, key_bytes

SEAL = Seal(bytes(range(KEY_BYTES)))


class Settings(BaseModel):
    """Something that has a key."""

    key: KeySetting


def test_what_is_sealed_opens_for_its_owner_alone() -> None:
    """Not for another owner, under another key, without one, or changed by a bit."""
    sealed = SEAL.seal(b"a secret", "w1")
    assert b"a secret" == SEAL.open(sealed, "w1")
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for seal, text, owner in (
        (SEAL, sealed, "w2"),
        (Seal(bytes(KEY_BYTES)), sealed, "w1"),
        (Seal(), sealed, "w1"),
        (SEAL, changed, "w1"),
        (SEAL, b"", "w1"),
    ):
        with pytest.raises(Unreadable, match=owner) as refused:
            seal.open(text, owner)
        assert "a secret" not in str(refused.value)


def test_sealing_twice_gives_no_two_equal_texts() -> None:
    """Whoever reads the database does not see which secrets are the same."""
    first, second = (SEAL.seal(b"a secret", "w1") for _ in range(2))
    assert first != second
    assert b"secret" not in first


def test_a_key_is_the_base64_of_32_bytes_or_nothing() -> None:
    """The refusal says so without the value."""
    key = base64.b64encode(SEAL.key).decode()
    assert SEAL.key == key_bytes(Settings(key=SecretStr(key)).key)
    assert b"" == key_bytes(Settings(key=SecretStr("")).key)
    for wrong in ("aGVsbG8=", "no base64 at all", key[:-1]):
        with pytest.raises(ValidationError, match="base64 of 32 bytes") as refused:
            Settings(key=SecretStr(wrong))
        assert wrong not in str(refused.value)


def test_a_seal_does_not_show_its_key() -> None:
    """Not even to whoever prints it."""
    assert repr(SEAL.key) not in repr(SEAL)
