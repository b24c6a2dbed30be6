"""Registers users and logs them in over REST, as anybody would."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import httpx

TIMEOUT_S = 30.0


@dataclass(slots=True)
class Account:
    """A user who is logged in; `token` is renewed by `log_in`."""

    username: str
    password: str
    user_id: str = ""
    token: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The header that tells who calls."""
        return {"Authorization": f"Bearer {self.token}"}


def register(url: str, username: str) -> Account:
    """Makes a user at the gateway `url` and logs in."""
    account = Account(username, secrets.token_urlsafe(18))
    body = {"username": account.username, "password": account.password}
    answer = httpx.post(f"{url}/api/v1/auth/register", json=body, timeout=TIMEOUT_S)
    answer.raise_for_status()
    log_in(url, account)
    return account


def log_in(url: str, account: Account) -> None:
    """Gets a new access token, which lives for 30 minutes."""
    body = {"username": account.username, "password": account.password}
    answer = httpx.post(f"{url}/api/v1/auth/login", json=body, timeout=TIMEOUT_S)
    answer.raise_for_status()
    session = answer.json()
    account.token = session["access_token"]
    account.user_id = session["user"]["id"]
