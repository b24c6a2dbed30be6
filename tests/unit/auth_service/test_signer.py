import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from auth_service.adapters.key_chest import KeyChest, KeyUnreadable
from auth_service.adapters.signer import Ed25519Signer, new_signing_key, thumbprint
from auth_service.application.ports import Subject
from auth_service.domain.roles import Role
from auth_service.domain.signing_keys import LEAD, SigningKey
from auth_service.domain.users import register
from servicekit import identity
from servicekit.clock import Clock, ManualClock
from servicekit.errors import Unauthenticated
from servicekit.identity import Identity, Verifier
from servicekit.values import replace

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIFETIME = timedelta(minutes=30)


def subject(role: Role = Role.USER, **changes: Any) -> Subject:
    """Ada, in some role, in a session."""
    ada = register("u1", "Ada", "", "h", NOW, role=role)[0]
    return Subject(replace(ada, **changes), "s1", role)


def signer(
    *keys: SigningKey,
    audience: str = "gpuaas",
    clock: Clock | None = None,
    chest: KeyChest | None = None,
) -> Ed25519Signer:
    """A signer with these keys, or one of its own."""
    known = keys or (new_signing_key(NOW, NOW),)
    clock = clock or ManualClock(NOW)
    return Ed25519Signer(known, chest or KeyChest(), "issuer", audience, LIFETIME, clock)


def verifier(ours: Ed25519Signer, clock: Clock | None = None) -> Verifier:
    """What another service verifies with."""
    return Verifier(ours.fetch_jwks, "issuer", "gpuaas", clock or ManualClock(NOW))


@pytest.mark.parametrize("role", list(Role))
async def test_a_verifier_recognises_the_user(role: Role) -> None:
    """Every service learns from the token who calls, in which role, and for how long."""
    ours = signer()
    token = ours.sign(subject(role), "t1", NOW)
    expected = Identity(
        subject="u1",
        username="Ada",
        role=identity.Role(role.value),
        team="default",
        token_id="t1",
        expires_at=NOW + LIFETIME,
        session_id="s1",
        generation=1,
        issued_at=NOW,
    )
    assert expected == await verifier(ours).verify(token.text)
    assert LIFETIME == token.lifetime


async def test_a_token_ends_with_its_lifetime() -> None:
    """Half an hour later it is expired."""
    ours = signer()
    token = ours.sign(subject(), "t1", NOW)
    with pytest.raises(Unauthenticated) as refused:
        await verifier(ours, ManualClock(NOW + LIFETIME)).verify(token.text)
    assert "TOKEN_EXPIRED" == refused.value.reason


async def test_another_key_or_audience_is_refused() -> None:
    """A token of another issuer's key, or for somebody else, is not valid."""
    ours = signer()
    for stranger in (signer(), signer(audience="another")):
        with pytest.raises(Unauthenticated):
            await verifier(ours).verify(stranger.sign(subject(), "t1", NOW).text)


def test_the_key_set_is_a_standard_one() -> None:
    """RFC 7517 and 8037: exactly these members, the thumbprint of RFC 7638 as the id."""
    [key] = signer().jwks()["keys"]
    assert {"kty", "crv", "x", "kid", "use", "alg"} == key.keys()
    assert ("OKP", "Ed25519", "sig", "EdDSA") == (key["kty"], key["crv"], key["use"], key["alg"])
    members = f'{{"crv":"Ed25519","kty":"OKP","x":"{key["x"]}"}}'
    digest = hashlib.sha256(members.encode()).digest()
    assert jwt.utils.base64url_encode(digest).decode() == key["kid"]


def test_the_thumbprint_is_that_of_the_standards_example() -> None:
    """RFC 8037, appendix A.3, gives a key and its thumbprint."""
    seed = jwt.utils.base64url_decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
    public_key = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" == thumbprint(public_key)


async def test_a_token_may_have_to_end_earlier() -> None:
    """As one got for a ticket does, which lives no longer than the token before it."""
    ours = signer()
    token = ours.sign(subject(), "t1", NOW, NOW + timedelta(minutes=5))
    assert timedelta(minutes=5) == token.lifetime
    assert NOW + timedelta(minutes=5) == (await verifier(ours).verify(token.text)).expires_at
    later = ours.sign(subject(), "t1", NOW, NOW + timedelta(days=5))
    assert LIFETIME == later.lifetime


async def test_a_token_says_that_the_password_has_to_be_changed() -> None:
    """And only then; it carries the user's generation too."""
    ours = signer()
    token = ours.sign(subject(password_change_required=True, generation=7), "t1", NOW)
    identity = await verifier(ours).verify(token.text)
    assert (True, 7) == (identity.password_change_required, identity.generation)
    claims = jwt.decode(ours.sign(subject(), "t1", NOW).text, options={"verify_signature": False})
    assert "password_change_required" not in claims


async def test_keys_change_without_anybody_noticing() -> None:
    """The next key is published before it signs, the last one until its tokens are over."""
    clock = ManualClock(NOW)
    old = new_signing_key(NOW, NOW)
    new = new_signing_key(NOW, NOW + LEAD)
    ours = signer(old, clock=clock)
    ours.take([old, new])
    readers = verifier(ours, clock)

    def state() -> tuple[str, list[str]]:
        token = ours.sign(subject(), "t1", clock.now()).text
        return jwt.get_unverified_header(token)["kid"], [key["kid"] for key in ours.jwks()["keys"]]

    assert (old.id, [old.id, new.id]) == state()
    clock.advance(LEAD - timedelta(seconds=1))
    last = ours.sign(subject(), "t1", clock.now()).text
    clock.advance(timedelta(seconds=1))
    assert (new.id, [new.id, old.id]) == state()
    assert "u1" == (await readers.verify(last)).subject
    clock.advance(LIFETIME + timedelta(seconds=1))
    assert (new.id, [new.id]) == state()


def test_private_keys_are_opened_only_with_the_key_that_sealed_them() -> None:
    """Sealed, the private half is in no byte of what is stored; the id belongs to it."""
    chest, key = KeyChest(b"k" * 32), new_signing_key(NOW, NOW)
    sealed = chest.sealed(key)
    assert key.private_key not in sealed.private_key
    assert key.private_key == chest.private_key(sealed)
    assert sealed == chest.sealed(sealed)
    assert key == KeyChest().sealed(key)
    strangers = [(KeyChest(b"x" * 32), sealed), (KeyChest(), sealed)]
    for other, stored in [*strangers, (chest, replace(sealed, id="another"))]:
        with pytest.raises(KeyUnreadable):
            other.private_key(stored)


def test_a_key_that_no_longer_signs_need_not_be_opened() -> None:
    """After the configured key was changed, a rotation is all that it takes."""
    past = KeyChest(b"x" * 32).sealed(new_signing_key(NOW, NOW))
    present = new_signing_key(NOW, NOW + timedelta(seconds=1))
    clock = ManualClock(NOW + timedelta(seconds=2))
    ours = signer(past, present, clock=clock)
    assert [present.id, past.id] == [key["kid"] for key in ours.jwks()["keys"]]
    with pytest.raises(KeyUnreadable):
        ours.take([past])
    assert 2 == len(ours.jwks()["keys"])
