"""Tokens that nobody may accept: what attackers send, made with a true issuer's key or without.

Each attack gets an issuer, whose key a service believes, and the time; it returns a token.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from servicekit.identity import REQUIRED_CLAIMS
from tests.service.servicekit.issuer import Issuer, segments

Attack: TypeAlias = Callable[[Issuer, datetime], str]


class P256:
    """A key of another curve that signs as the issuers' keys do."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def sign(self, content: bytes) -> bytes:
        """Signs with ECDSA."""
        return self._key.sign(content, ec.ECDSA(hashes.SHA256()))


def seconds(now: datetime, offset: float) -> int:
    """Returns a claim for so many seconds from now."""
    return int((now + timedelta(seconds=offset)).timestamp())


def header(issuer: Issuer, **changes: Any) -> dict[str, Any]:
    """Returns the header of a good token with changes."""
    return {"alg": "EdDSA", "typ": "at+jwt", "kid": issuer.key_id} | changes


def tampered(issuer: Issuer, now: datetime, **changes: Any) -> str:
    """Returns a token whose claims were changed after signing."""
    signature = issuer.token(issuer.claims(now)).rpartition(".")[2]
    return f"{segments(header(issuer), issuer.claims(now, **changes))}.{signature}"


def with_header(**changes: Any) -> Attack:
    """Returns a good token but for its header, which the issuer's key signs nevertheless."""
    return lambda i, now: i.token(i.claims(now), changes)


def with_claims(**changes: Any) -> Attack:
    """Returns a good token but for some of its claims."""
    return lambda i, now: i.token(i.claims(now, **changes))


def unsigned(algorithm: str) -> Attack:
    """Returns a token that says that it needs no signature, and has none."""
    return lambda i, now: segments(header(i, alg=algorithm), i.claims(now)) + "."


def signed_by(key: Callable[[], Any], **changes: Any) -> Attack:
    """Returns a token signed with an attacker's key."""
    return lambda i, now: i.token(i.claims(now), changes, key())


ATTACKS: Mapping[str, Attack] = {
    "no text at all": lambda i, now: "",
    "not three parts": lambda i, now: "a.b",
    "four parts": lambda i, now: i.token(i.claims(now)) + ".e30",
    "not base64": lambda i, now: "!!.??.@@",
    "a header that is no object": lambda i, now: segments([1], i.claims(now), b"x"),
    "claims that are no object": lambda i, now: segments(header(i), [1], b"x"),
    "far too long": lambda i, now: i.token(i.claims(now, team="x" * 8000)),
    "alg none": unsigned("none"),
    "alg None in capitals": unsigned("NONE"),
    "alg in small letters": with_header(alg="eddsa"),
    "no alg": with_header(alg=None),
    "signature left out": lambda i, now: segments(header(i), i.claims(now)) + ".",
    "signature cut short": lambda i, now: i.token(i.claims(now))[:-10],
    "signature of zeros": lambda i, now: segments(header(i), i.claims(now), bytes(64)),
    "signature of another token": lambda i, now: tampered(i, now, jti="another"),
    "key confusion: HMAC with a secret": signed_by(lambda: b"x" * 64, alg="HS256"),
    "key confusion: HMAC with our public key": lambda i, now: i.token(
        i.claims(now), {"alg": "HS256"}, i.public_pem()
    ),
    "key confusion: HMAC with our raw public key": lambda i, now: i.token(
        i.claims(now), {"alg": "HS256"}, i.private_key.public_key().public_bytes_raw()
    ),
    "HMAC header over our signature": with_header(alg="HS256"),
    "RSA header over our signature": with_header(alg="RS256"),
    "signed with another key": signed_by(Ed25519PrivateKey.generate),
    "signed on another curve": signed_by(P256, alg="ES256"),
    "signed on another curve, called ours": signed_by(P256),
    "signed with Ed448": signed_by(Ed448PrivateKey.generate),
    "claims changed after signing": lambda i, now: tampered(i, now, role="admin"),
    "typ of a plain JWT": with_header(typ="JWT"),
    "typ of a refresh token": with_header(typ="rt+jwt"),
    "typ of an id token": with_header(typ="id+jwt"),
    "no typ": with_header(typ=None),
    "no kid": with_header(kid=None),
    "an empty kid": with_header(kid=""),
    "a kid that is a number": with_header(kid=7),
    "kid unknown": with_header(kid="key-2"),
    "kid of a path": with_header(kid="../../dev/null"),
    "kid of a statement": with_header(kid="' UNION SELECT 'x"),
    "a key set address in the header": with_header(jku="https://evil.test"),
    "a key in the header": with_header(jwk={"kty": "OKP"}),
    "a certificate in the header": with_header(x5c=["AAAA"]),
    "a certificate address in the header": with_header(x5u="https://evil.test"),
    "critical extensions": with_header(crit=["b64"], b64=False),
    "a nested token": with_header(cty="JWT"),
    "compressed": with_header(zip="DEF"),
    "another audience": with_claims(aud="other"),
    "no audience but a list of others": with_claims(aud=["other", "more"]),
    "another issuer": with_claims(iss="https://evil.test"),
    "an issuer that begins as ours": lambda i, now: i.token(
        i.claims(now, iss=f"{i.claims(now)['iss']}.evil.test")
    ),
    "issued in the future": lambda i, now: i.token(i.claims(now, iat=seconds(now, 60))),
    "not valid yet": lambda i, now: i.token(i.claims(now, nbf=seconds(now, 60))),
    "exp for ever": with_claims(exp=10**20),
    "exp as text": with_claims(exp="2999-01-01"),
    "exp true": with_claims(exp=True),
    "exp infinite": with_claims(exp=float("inf")),
    "exp no number": with_claims(exp=float("nan")),
    "a role that is none": with_claims(role="root"),
    "a list of roles": with_claims(role=["admin"]),
    "an empty subject": with_claims(sub=""),
    "a subject that is a list": with_claims(sub=["user-1"]),
    "a generation below zero": with_claims(gen=-1),
    "a generation as text": with_claims(gen="9"),
    "a session that is a number": with_claims(sid=7),
    "a password flag that is text": with_claims(password_change_required="no"),
    "a username that is a number": with_claims(username=7),
    **{f"no {claim}": with_claims(**{claim: None}) for claim in REQUIRED_CLAIMS},
}

EXPIRED: Mapping[str, Attack] = {
    "expired a moment ago": lambda i, now: i.token(i.claims(now, exp=seconds(now, -1))),
    "expired at the beginning of time": with_claims(exp=0),
    "expired before it was issued": with_claims(exp=-1),
}
"""Of these it is said that they have expired, so that a client fetches another."""
