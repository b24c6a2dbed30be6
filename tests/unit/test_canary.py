"""The search for secrets in logs finds each kind of them, and nothing in what logs may say."""

from pathlib import Path

import pytest

from tests.canary import PASSWORDS, leaks, leaks_of_files
from tests.service.servicekit.issuer import Issuer

KEY = "gpuaas_k3j5x2ab_" + "A" * 43


@pytest.mark.parametrize(("kind", "secret"), [
    ("access token", Issuer().token()),
    ("API key", KEY),
    ("device token", "gpud_" + "b" * 43),
    ("ticket", "gput_" + "c" * 43),
    ("password hash", "$2b$12$" + "d" * 53),
    ("password hash", "$pbkdf2-sha256$29000$salt$checksum"),
    ("private key", "-----BEGIN PRIVATE KEY-----"),
    ("URL with a password", "postgresql+psycopg://job:geheim@db:5432/job"),
    ("bearer", "Bearer aVeryLongOpaqueToken123"),
    ("password", PASSWORDS[0]),
])  # fmt: skip
def test_each_kind_is_found_wherever_it_stands(kind: str, secret: str) -> None:
    """And is not shown again by whoever reports it."""
    found = list(leaks(f'{{"level":"info"}}\n{{"event":"x","value":"{secret}","ms":1}}\n'))
    assert kind in {leak.kind for leak in found}
    assert all(secret not in str(leak) for leak in found)
    assert all('"value":"' in leak.line for leak in found)


@pytest.mark.parametrize("line", [
    '{"event":"rpc","request_id":"01a20252-9804-7649-af9f-88bba5762c40","method":"/a.B/Login"}',
    '{"traceparent":"00-ffd3670d965f0bc18fa25221c25974f4-0bd09eb8edd25dda-01"}',
    '{"authorization":"[redacted]","token":"[redacted]"}',
    '{"event":"serving","url":"http://127.0.0.1:8000/api/v1","prefix":"gpuaas_k3j5x2ab"}',
    '{"url":"postgresql+psycopg://job:***@db/job"}',
])  # fmt: skip
def test_what_logs_may_say_is_no_secret(line: str) -> None:
    """Ids, traces, redacted values, addresses, and a key's prefix."""
    assert [] == list(leaks(line))


def test_a_systems_own_secrets_are_searched_for_in_its_logs(tmp_path: Path) -> None:
    """They are random, so only the files that keep them can tell."""
    for folder in ("logs", "secrets"):
        (tmp_path / folder).mkdir()
    (tmp_path / "secrets" / "admin-password").write_text("Zr8_kk2-vQ7pLw1x")
    log = tmp_path / "logs" / "auth_service.log"
    log.write_text('{"event":"fine"}\n{"event":"login by Zr8_kk2-vQ7pLw1x"}\n')
    [(path, leak)] = leaks_of_files(tmp_path)
    assert (log, "password") == (path, leak.kind)
    assert "Zr8_kk2-vQ7pLw1x" not in str(leak)
    log.unlink()  # or the search at the end of the run would find it too
