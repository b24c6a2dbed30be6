"""Who calls: access tokens verified here, revocations followed, and a service's own token."""

from servicekit.identity.callers import Identity, Role, bearer_token
from servicekit.identity.following import Follower, News, WatchRevocations
from servicekit.identity.keys import ALGORITHM, FetchJwks, Jwks
from servicekit.identity.own_token import OwnToken
from servicekit.identity.revocation import Revocation, Revocations
from servicekit.identity.verifier import AUDIENCE, REQUIRED_CLAIMS, TOKEN_TYPE, Verifier

__all__ = [
    "ALGORITHM",
    "AUDIENCE",
    "REQUIRED_CLAIMS",
    "TOKEN_TYPE",
    "FetchJwks",
    "Follower",
    "Identity",
    "Jwks",
    "News",
    "OwnToken",
    "Revocation",
    "Revocations",
    "Role",
    "Verifier",
    "WatchRevocations",
    "bearer_token",
]
