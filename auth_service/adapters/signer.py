"""Access tokens: JWTs signed with Ed25519, and the key set that anybody verifies them with."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from auth_service.adapters.key_chest import KeyChest
from auth_service.application.ports import AccessToken, Subject
from auth_service.domain import signing_keys
from auth_service.domain.signing_keys import SigningKey
from servicekit.clock import Clock
from servicekit.identity import ALGORITHM, TOKEN_TYPE, Jwks


class Ed25519Signer:
    """What the application's TokenSigner promises, and the public half of it.

    Signs with whichever of the keys it was last given signs now.
    """

    def __init__(
        self,
        keys: Sequence[SigningKey],
        chest: KeyChest,
        issuer: str,
        audience: str,
        lifetime: timedelta,
        clock: Clock,
    ) -> None:
        self._chest = chest
        self._issuer = issuer
        self._audience = audience
        self.lifetime = lifetime
        self._clock = clock
        self.take(keys)

    def take(self, keys: Sequence[SigningKey]) -> None:
        """Works with these keys from now on.

        Raises:
            KeyUnreadable: one that signs, or will sign, cannot be decrypted; nothing changes.
        """
        now = self._clock.now()
        signing = signing_keys.signing(keys, now)
        needed = [key for key in keys if key is signing or key.signs_from > now]
        private = {
            key.id: Ed25519PrivateKey.from_private_bytes(self._chest.private_key(key))
            for key in needed
        }
        self._keys, self._private = list(keys), private

    def sign(
        self, subject: Subject, token_id: str, now: datetime, until: datetime | None = None
    ) -> AccessToken:
        """Returns a token that is good for `lifetime`, or only until the time that is given."""
        expires_at = min(now + self.lifetime, until or now + self.lifetime)
        claims = self._claims(subject, token_id, now, expires_at)
        key_id = signing_keys.signing(self._keys, now).id
        headers = {"typ": TOKEN_TYPE, "kid": key_id}
        text = jwt.encode(claims, self._private[key_id], algorithm=ALGORITHM, headers=headers)
        return AccessToken(text, expires_at - now)

    def jwks(self) -> Jwks:
        """Returns the keys that a valid token may be signed with, after RFC 7517 and RFC 8037."""
        keys = signing_keys.published(self._keys, self.lifetime, self._clock.now())
        return {
            "keys": [
                _public_members(key.public_key) | {"kid": key.id, "use": "sig", "alg": ALGORITHM}
                for key in keys
            ]
        }

    async def fetch_jwks(self) -> Jwks:
        """Returns the same keys, as a verifier asks for them."""
        return self.jwks()

    def _claims(
        self, subject: Subject, token_id: str, now: datetime, expires_at: datetime
    ) -> dict[str, Any]:
        user = subject.user
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": user.id,
            "username": user.username,
            "role": subject.role.value,
            "team": user.team,
            "sid": subject.session_id,
            "gen": user.generation,
            "jti": token_id,
            "iat": now,
            "exp": expires_at,
        }
        if user.password_change_required:
            claims["password_change_required"] = True
        return claims


def new_signing_key(now: datetime, signs_from: datetime) -> SigningKey:
    """Returns a random key, readable."""
    private_key = Ed25519PrivateKey.generate()
    public_key = private_key.public_key().public_bytes_raw()
    return SigningKey(
        id=thumbprint(public_key),
        public_key=public_key,
        private_key=private_key.private_bytes_raw(),
        sealed=False,
        created_at=now,
        signs_from=signs_from,
    )


def thumbprint(public_key: bytes) -> str:
    """Returns the key's name after RFC 7638: a hash over its required members in their order."""
    members = orjson.dumps(_public_members(public_key), option=orjson.OPT_SORT_KEYS)
    return _base64url(hashlib.sha256(members).digest())


def _public_members(public_key: bytes) -> dict[str, Any]:
    return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(public_key)}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
