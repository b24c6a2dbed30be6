"""Secrets of webhooks at rest, and the fake that stands in for it, held to the same rules."""

from collections.abc import Callable
from typing import Any

import pytest

from job_service.adapters.secret_chest import SecretChest
from job_service.application.ports import Secrets, SecretUnreadable
from tests.fakes.webhooks import FakeSecrets, webhook

CHESTS: dict[str, Callable[[int], Any]] = {
    "chest": lambda key: SecretChest(bytes([key]) * 32 if key else b""),
    "fake": lambda key: FakeSecrets(str(key) if key else ""),
}

pytestmark = pytest.mark.parametrize("make", CHESTS.values(), ids=CHESTS)


def test_a_sealed_secret_is_read_with_its_key_alone(make: Callable[[int], Secrets]) -> None:
    """A wrong key, or none, says so."""
    sealed = make(1).sealed(webhook())
    assert sealed.sealed
    assert "whsec_x" != sealed.secret
    assert "whsec_x" == make(1).secret(sealed)
    for other in (2, 0):
        with pytest.raises(SecretUnreadable):
            make(other).secret(sealed)


def test_what_is_sealed_is_not_sealed_again(make: Callable[[int], Secrets]) -> None:
    """Whatever key there is now."""
    sealed = make(1).sealed(webhook())
    assert sealed == make(1).sealed(sealed) == make(2).sealed(sealed)


def test_without_a_key_secrets_stay_readable(make: Callable[[int], Secrets]) -> None:
    """As in development; they can still be read once there is a key."""
    assert webhook() == make(0).sealed(webhook())
    assert "whsec_x" == make(1).secret(webhook())
