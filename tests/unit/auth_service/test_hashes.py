import bcrypt
import pytest

from auth_service.adapters.hasher import BcryptHasher
from auth_service.adapters.hashes import MOST_ROUNDS, adopted, parsed_pbkdf2, verified

# From passlib's documentation of pbkdf2_sha256.
PASSLIBS = "$pbkdf2-sha256$29000$N2YMIWQsBWBMae09x1jrPQ$1t8iyB2A.WF/Z5JZv.lfCIhXXN33N23OSgQYThBYRfk"


def test_passlibs_own_example_verifies() -> None:
    """With its alphabet, in which the plus is a dot, and without padding."""
    stored = adopted(PASSLIBS)
    assert verified("toomanysecrets", stored)
    assert not verified("toomanysecret", stored)
    assert (29000, 16, 32) == (
        parsed_pbkdf2(stored).rounds,
        len(parsed_pbkdf2(stored).salt),
        len(parsed_pbkdf2(stored).checksum),
    )


def test_plain_bcrypt_of_others_verifies() -> None:
    """It was made without a hash before it, and read 72 bytes at the most."""
    foreign = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    stored = adopted(foreign)
    assert verified("x" * 72, stored)
    assert verified("x" * 80, stored)
    assert not verified("x" * 71, stored)
    assert not verified("x" * 72, foreign)


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "plaintext",
        "$pbkdf2-sha256$0$c2FsdA$" + "A" * 43,
        "$pbkdf2-sha256$29000$c2FsdA$short",
        "$pbkdf2-sha256$29000$c2FsdA$" + "A" * 42,
        "$pbkdf2-sha256$29000$c2Fs+A$" + "A" * 43,
        f"$pbkdf2-sha256${MOST_ROUNDS + 1}$c2FsdA$" + "A" * 43,
        "$pbkdf2-sha512$29000$c2FsdA$" + "A" * 43,
        "$2b$17$" + "." * 53,
        "$2b$03$" + "." * 53,
        "$2b$12$short",
        "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
    ],
)
def test_other_hashes_are_refused_before_anybody_has_them(foreign: str) -> None:
    """What cannot be verified, or would take for ever, with what was expected instead."""
    with pytest.raises(ValueError, match="expected") as refused:
        adopted(foreign)
    assert not foreign or foreign not in str(refused.value)


def test_foreign_and_weaker_hashes_are_outdated() -> None:
    """A login with the right password gives the user a hash of our own, of today's cost."""
    hasher = BcryptHasher(5)
    hashes = [PASSLIBS, "$plain$2b$12$" + "." * 53, "$2b$04$" + "." * 53]
    assert all(hasher.is_outdated(stored) for stored in hashes)
    assert not hasher.is_outdated("$2b$05$" + "." * 53)
    assert not hasher.is_outdated("$2b$12$" + "." * 53)
    hasher.close()
