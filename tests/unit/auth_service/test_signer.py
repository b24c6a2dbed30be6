import hashlib
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from auth_service.adapters.signer import Ed25519Signer, new_signing_key, thumbprint
from auth_service.domain.roles import Role
from auth_service.domain.users import User, register
from servicekit import identity
from servicekit.clock import ManualClock
from servicekit.errors import Unauthenticated
from servicekit.identity import Identity, Verifier

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIFETIME = timedelta(minutes=30)


def user(role: Role = Role.USER) -> User:
    """Ada, in some role."""
    return register("u1", "Ada", "", "h", NOW, role=role)[0]


def signer(audience: str = "gpuaas") -> Ed25519Signer:
    """A signer with a key of its own."""
    return Ed25519Signer(new_signing_key(NOW), "issuer", audience, LIFETIME)


@pytest.mark.parametrize("role", list(Role))
async def test_a_verifier_recognises_the_user(role: Role) -> None:
    """Every service learns from the token who calls, in which role, and for how long."""
    ours = signer()
    token = ours.sign(user(role), "t1", NOW)
    verifier = Verifier(ours.fetch_jwks, "issuer", "gpuaas", ManualClock(NOW))
    expected = Identity(
        subject="u1",
        username="Ada",
        role=identity.Role(role.value),
        team="default",
        token_id="t1",
        expires_at=NOW + LIFETIME,
    )
    assert expected == await verifier.verify(token.text)
    assert LIFETIME == token.lifetime


async def test_a_token_ends_with_its_lifetime() -> None:
    """Half an hour later it is expired."""
    ours = signer()
    token = ours.sign(user(), "t1", NOW)
    verifier = Verifier(ours.fetch_jwks, "issuer", "gpuaas", ManualClock(NOW + LIFETIME))
    with pytest.raises(Unauthenticated) as refused:
        await verifier.verify(token.text)
    assert "TOKEN_EXPIRED" == refused.value.reason


async def test_another_key_or_audience_is_refused() -> None:
    """A token of another issuer's key, or for somebody else, is not valid."""
    ours = signer()
    verifier = Verifier(ours.fetch_jwks, "issuer", "gpuaas", ManualClock(NOW))
    for stranger in (signer(), signer(audience="another")):
        with pytest.raises(Unauthenticated):
            await verifier.verify(stranger.sign(user(), "t1", NOW).text)


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
    private_key = Ed25519PrivateKey.from_private_bytes(seed)
    assert "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" == thumbprint(private_key)
