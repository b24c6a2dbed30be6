"""An issuer of access tokens: a signing key of its own, a key set, and tokens good and bad."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER = "https://auth.test"


class Issuer:
    """Signs tokens; `fetches` counts how often the key set was asked for."""

    def __init__(self, key_id: str = "key-1") -> None:
        self.key_id = key_id
        self.private_key = Ed25519PrivateKey.generate()
        self.keys: dict[str, Ed25519PrivateKey] = {key_id: self.private_key}
        self.fetches = 0

    async def jwks(self) -> Mapping[str, Any]:
        """Returns the public keys as a JSON web key set."""
        self.fetches += 1
        return {"keys": [_jwk(name, key) for name, key in self.keys.items()]}

    def add_key(self, key_id: str) -> None:
        """Makes a new key, and signs with it from now on."""
        self.key_id = key_id
        self.private_key = self.keys[key_id] = Ed25519PrivateKey.generate()

    def claims(self, now: datetime | None = None, **changes: Any) -> dict[str, Any]:
        """Returns the claims of a good token with `changes`; a change to None leaves one out."""
        now = now or datetime.now(UTC)
        claims = {
            "iss": ISSUER,
            "aud": "gpuaas",
            "sub": "user-1",
            "username": "ada",
            "role": "user",
            "team": "physics",
            "jti": "token-1",
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=30)).timestamp()),
        }
        claims.update(changes)
        return {name: value for name, value in claims.items() if value is not None}

    def token(
        self,
        claims: dict[str, Any] | None = None,
        header: dict[str, Any] | None = None,
        key: Any = None,
    ) -> str:
        """Returns a signed token; `header` changes the header, None leaves a field out.

        A `key` of bytes makes an HMAC, as an attacker would.
        """
        fields = {"alg": "EdDSA", "typ": "at+jwt", "kid": self.key_id, **(header or {})}
        fields = {name: value for name, value in fields.items() if value is not None}
        content = segments(fields, claims or self.claims())
        if isinstance(key, bytes):
            signature = hmac.new(key, content.encode(), hashlib.sha256).digest()
        else:
            signature = (key or self.private_key).sign(content.encode())
        return f"{content}.{segments(signature)}"

    def public_pem(self) -> bytes:
        """Returns the public key as an attacker would use it for an HMAC."""
        return self.private_key.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )


def segments(*parts: Any) -> str:
    """Returns the parts of a token, bytes or what JSON can say, joined as in a token."""
    return ".".join(
        base64.urlsafe_b64encode(part if isinstance(part, bytes) else json.dumps(part).encode())
        .rstrip(b"=")
        .decode()
        for part in parts
    )


def _jwk(key_id: str, key: Ed25519PrivateKey) -> dict[str, str]:
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    encoded = base64.urlsafe_b64encode(public).rstrip(b"=").decode()
    return {
        "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key_id, "x": encoded
    }  # fmt: skip
