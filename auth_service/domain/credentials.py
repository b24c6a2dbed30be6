"""The texts that open something, and what is stored of them: a hash, never the text.

They carry 24 random bytes or more, so that a fast hash is enough; nobody guesses their way to one.
"""

import base64
import hashlib

KEY_LABEL_BYTES = 5
SECRET_BYTES = 32

_KEY_PREFIX = "gpuaas_"


def hashed(text: str) -> bytes:
    """Returns what is stored of a credential."""
    return hashlib.sha256(text.encode()).digest()


def api_key_text(label: bytes, secret: bytes) -> str:
    """Returns an API key's secret, such as gpuaas_k3j5x2ab_...; `label` has KEY_LABEL_BYTES."""
    return f"{_KEY_PREFIX}{base64.b32encode(label).decode().lower()}_{base64url(secret)}"


def api_key_prefix(text: str) -> str:
    """Returns the part of an API key that may be shown, to recognise it by."""
    return text[: len(_KEY_PREFIX) + 8]


def device_text(secret: bytes) -> str:
    """Returns a token by which a device is known at its next login."""
    return f"gpud_{base64url(secret)}"


def ticket_text(secret: bytes) -> str:
    """Returns a ticket that opens one stream."""
    return f"gput_{base64url(secret)}"


def base64url(data: bytes) -> str:
    """Returns URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
