"""Access tokens: JWTs signed with Ed25519, and the key set that anybody verifies them with."""

import base64
import hashlib
from datetime import datetime, timedelta
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from auth_service.application.ports import AccessToken
from auth_service.domain.signing_keys import SigningKey
from auth_service.domain.users import User
from servicekit.identity import ALGORITHM, TOKEN_TYPE, Jwks


class Ed25519Signer:
    """What the application's TokenSigner promises, and the public half of it."""

    def __init__(self, key: SigningKey, issuer: str, audience: str, lifetime: timedelta) -> None:
        self._private_key = Ed25519PrivateKey.from_private_bytes(key.private_key)
        self._key_id = key.id
        self._issuer = issuer
        self._audience = audience
        self._lifetime = lifetime

    def sign(self, user: User, token_id: str, now: datetime) -> AccessToken:
        """Returns a token that stands for the user."""
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": user.id,
            "username": user.username,
            "role": user.role.value,
            "team": user.team,
            "jti": token_id,
            "iat": now,
            "exp": now + self._lifetime,
        }
        headers = {"typ": TOKEN_TYPE, "kid": self._key_id}
        text = jwt.encode(claims, self._private_key, algorithm=ALGORITHM, headers=headers)
        return AccessToken(text, self._lifetime)

    def jwks(self) -> Jwks:
        """Returns the keys that a valid token may be signed with, after RFC 7517 and RFC 8037."""
        public = _public_members(self._private_key)
        return {"keys": [public | {"kid": self._key_id, "use": "sig", "alg": ALGORITHM}]}

    async def fetch_jwks(self) -> Jwks:
        """Returns the same keys, as a verifier asks for them."""
        return self.jwks()


def new_signing_key(now: datetime) -> SigningKey:
    """Returns a random key."""
    private_key = Ed25519PrivateKey.generate()
    return SigningKey(thumbprint(private_key), private_key.private_bytes_raw(), now)


def thumbprint(private_key: Ed25519PrivateKey) -> str:
    """Returns the key's name after RFC 7638: a hash over its required members in their order."""
    members = orjson.dumps(_public_members(private_key), option=orjson.OPT_SORT_KEYS)
    return _base64url(hashlib.sha256(members).digest())


def _public_members(private_key: Ed25519PrivateKey) -> dict[str, Any]:
    public_key = private_key.public_key().public_bytes_raw()
    return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(public_key)}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
