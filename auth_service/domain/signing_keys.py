"""The key that signs access tokens."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key: `id` is its thumbprint after RFC 7638, `private_key` its 32 raw bytes."""

    id: str
    private_key: bytes = field(repr=False)
    created_at: datetime
