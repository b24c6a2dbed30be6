"""The secrets of a system on one machine: made once, kept in files that only their owner reads."""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Secrets:
    """Files with one secret each.

    Attributes:
        admin_password: file with the first administrator's password.
        service_password: file with the password by which services log in to auth_service.
        key_encryption_key: file with the key that encrypts auth_service's signing keys.
        job_key_encryption_key: file with the key that encrypts job_service's webhook secrets.
        is_new: whether this start made them, which is when the password is shown.
    """

    admin_password: Path
    service_password: Path
    key_encryption_key: Path
    job_key_encryption_key: Path
    is_new: bool


def load_or_make(folder: Path) -> Secrets:
    """Returns the secrets kept in `folder`, making what is missing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    admin_password = folder / "admin-password"
    service_password = folder / "service-password"
    is_new = make_once(admin_password, secrets.token_urlsafe(12))
    make_once(service_password, secrets.token_urlsafe(32))
    auth_key, job_key = folder / "key-encryption-key", folder / "job-key-encryption-key"
    for key in (auth_key, job_key):
        make_once(key, base64.b64encode(secrets.token_bytes(32)).decode())
    return Secrets(admin_password, service_password, auth_key, job_key, is_new)


def make_once(path: Path, content: str) -> bool:
    """Writes `content` to a new file of mode 0600; leaves one that exists and returns False.

    The file appears with its content or not at all, so that a killed start leaves no empty secret.
    """
    if path.exists():
        return False
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    return True
