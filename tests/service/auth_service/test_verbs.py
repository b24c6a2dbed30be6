"""What operators do at the command line, beside a service that runs."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest

from auth_service.adapters.tables import AUDIT_EVENTS, AUDIT_LOG, SIGNING_KEYS, USERS
from gpuaas.auth.v1 import auth_service_pb2 as pb
from servicekit.config import ConfigurationError
from servicekit.statuses import failure_from_rpc
from tests.service.auth_service.conftest import House, Open, bearer, failure_of, stored

# From passlib's documentation of pbkdf2_sha256.
PASSWORD = "toomanysecrets"
PBKDF2 = "$pbkdf2-sha256$29000$N2YMIWQsBWBMae09x1jrPQ$1t8iyB2A.WF/Z5JZv.lfCIhXXN33N23OSgQYThBYRfk"

KEYS = {"key_encryption_key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
OTHER_KEYS = {"key_encryption_key": "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="}


@dataclass
class Operator:
    """Somebody with the command line."""

    url: str

    def __call__(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Runs `python -m auth_service` to its end."""
        given = {f"GPUAAS_AUTH_{name}".upper(): value for name, value in settings.items()}
        return subprocess.run(
            [sys.executable, "-m", "auth_service", *arguments],
            env={**os.environ, "GPUAAS_AUTH_DATABASE_URL": self.url, **given},
            capture_output=True,
            text=True,
            check=False,
        )

    async def beside(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Runs it while the service of the test goes on."""
        return await asyncio.to_thread(lambda: self(*arguments, **settings))


@pytest.fixture
def operator(sqlite_url: str) -> Operator:
    """Somebody who works on the database of the test."""
    return Operator(sqlite_url)


async def key_ids(house: House) -> list[str]:
    """The ids of the published keys, the signing one first."""
    return [key.kid for key in (await house.stub.GetJwks(pb.GetJwksRequest())).keys]


async def until(condition: Callable[[], Any]) -> None:
    """Asks again until the condition holds; the test's own timeout ends what never does."""
    while not await condition():
        pass


async def test_a_running_service_takes_up_a_new_key(open_house: Open, operator: Operator) -> None:
    """It is published at once beside the old one, whose tokens go on; later it signs."""
    async with open_house() as house:
        await house.register()
        token = (await house.login()).access_token
        [old] = await key_ids(house)
        done = await operator.beside("rotate-keys")
        assert 0 == done.returncode, done.stderr

        async def there_are_two() -> bool:
            return 2 == len(await key_ids(house))

        await until(there_are_two)
        assert old == (await key_ids(house))[0]
        await house.current_user(token)
        assert old == jwt.get_unverified_header((await house.login()).access_token)["kid"]
        assert (await key_ids(house))[1] in done.stdout


async def test_a_stolen_key_is_replaced_at_once(open_house: Open, operator: Operator) -> None:
    """What it signed is worth nothing any more; the sessions go on with fresh tokens."""
    async with open_house() as house:
        await house.register()
        login = await house.login()
        [old] = await key_ids(house)
        await house.current_user(login.access_token)  # Which is remembered as good.
        assert 0 == (await operator.beside("rotate-keys", "--at-once")).returncode

        async def the_old_one_is_gone() -> bool:
            return old not in await key_ids(house)

        await until(the_old_one_is_gone)

        async def its_tokens_are_refused() -> bool:
            try:
                await house.current_user(login.access_token)
            except grpc.aio.AioRpcError as error:
                return failure_from_rpc(error).reason == "TOKEN_REVOKED"
            return False

        await until(its_tokens_are_refused)
        refresh = pb.RefreshTokenRequest(refresh_token=login.refresh_token)
        answer = await house.stub.RefreshToken(refresh)
        assert await key_ids(house) == [jwt.get_unverified_header(answer.access_token)["kid"]]
        assert 1 == len(await stored(house, SIGNING_KEYS))


async def test_keys_are_encrypted_once_there_is_a_key_for_it(open_house: Open) -> None:
    """Also one that was readable before; tokens from before go on."""
    async with open_house() as house:
        await house.register()
        token = (await house.login()).access_token
        [row] = await stored(house, SIGNING_KEYS)
        assert (False, 32) == (row.sealed, len(row.private_key))
        readable = row.private_key
    for _ in range(2):
        async with open_house(**KEYS) as house:
            [row] = await stored(house, SIGNING_KEYS)
            assert row.sealed
            assert readable not in row.private_key
            await house.current_user(token)


async def test_a_lost_encryption_key_is_told_and_can_be_replaced(
    open_house: Open, operator: Operator
) -> None:
    """The start names the setting and the way out, which works."""
    async with open_house(**KEYS):
        pass
    for settings in ({}, OTHER_KEYS):
        with pytest.raises(ConfigurationError, match="GPUAAS_AUTH_KEY_ENCRYPTION_KEY") as refused:
            async with open_house(**settings):
                pytest.fail("signing with what cannot be read")
        assert "rotate-keys --at-once" in str(refused.value)
    assert 0 == (await operator.beside("rotate-keys", "--at-once", **OTHER_KEYS)).returncode
    async with open_house(**OTHER_KEYS) as house:
        await house.register()
        await house.current_user((await house.login()).access_token)


async def test_the_audit_log_is_verified(open_house: Open, operator: Operator) -> None:
    """Whole, it prints its end; changed, the first broken entry is named and the code is 1."""
    async with open_house() as house:
        for name in ("Ada", "Bob", "Cyd"):
            await house.register(name)
        whole = await operator.beside("verify-audit")
        assert 0 == whole.returncode, whole.stderr
        [last] = [line for line in whole.stdout.splitlines() if line.startswith("3:")]
        with house.service.database.writing.begin() as connection:
            where = AUDIT_EVENTS.c.sequence == 2
            connection.execute(AUDIT_EVENTS.update().where(where).values(actor="nobody"))
        broken = await operator.beside("verify-audit")
        assert 1 == broken.returncode
        assert "broken at entry 2: its content does not have its hash" in broken.stderr
        assert "Traceback" not in broken.stderr
        with house.service.database.writing.begin() as connection:
            connection.execute(AUDIT_EVENTS.update().where(where).values(actor=""))
        assert 0 == (await operator.beside("verify-audit", "--expect", last)).returncode
        end = {"sequence": 2, "hash": (await stored(house, AUDIT_EVENTS))[1].hash}
        with house.service.database.writing.begin() as connection:
            connection.execute(AUDIT_EVENTS.delete().where(AUDIT_EVENTS.c.sequence == 3))
            connection.execute(AUDIT_LOG.update().values(**end))
        assert 0 == (await operator.beside("verify-audit")).returncode
        cut_off = await operator.beside("verify-audit", "--expect", last)
        assert (1, True) == (cut_off.returncode, "entry 3: is missing" in cut_off.stderr)


async def test_imported_users_sign_in_and_get_a_better_hash(
    open_house: Open, operator: Operator, tmp_path: Path
) -> None:
    """With the password and the rights that they had; nobody else's hash changes."""
    file = tmp_path / "users.csv"
    lines = ["username,password_hash,email,role,team", f"Ada,{PBKDF2},ada@x,admin,engines"]
    file.write_text("\n".join([*lines, f"bob,{PBKDF2},,,"]))
    async with open_house() as house:
        done = await operator.beside("import-users", str(file))
        assert (0, "2 users imported\n") == (done.returncode, done.stdout), done.stderr
        assert "CREDENTIALS_INVALID" == (await failure_of(house.login("Ada", "x" * 12))).reason
        login = await house.login("Ada", PASSWORD)
        assert (True, "engines") == (login.user.is_admin, login.user.team)
        assert not login.user.password_change_required
        await house.login("Ada", PASSWORD)
        users = {row.username_key: row.document for row in await stored(house, USERS)}
        assert b"$2b$04$" in users["ada"]
        assert b"$pbkdf2-sha256$" in users["bob"]
        await house.stub.ListUsers(pb.ListUsersRequest(), metadata=bearer(login.access_token))


def test_a_file_that_is_wrong_imports_nobody(operator: Operator, tmp_path: Path) -> None:
    """Each line that is wrong is named, also those in others' way; exit code 2."""
    assert 0 == operator("migrate").returncode
    file = tmp_path / "users.csv"
    file.write_text(f"username,password_hash\nA da,{PBKDF2}\nbob,plain\ncyd,{PBKDF2}\n")
    done = operator("import-users", str(file))
    assert 2 == done.returncode
    for complaint in ("nothing was imported", "line 2: username: ", "line 3: password_hash: "):
        assert complaint in done.stderr
    assert "plain\n" not in done.stderr
    file.write_text(f"username,password_hash\ncyd,{PBKDF2}\n")
    assert 0 == operator("import-users", str(file)).returncode
    file.write_text(f"username,password_hash\nCYD,{PBKDF2}\ndan,{PBKDF2}\n")
    done = operator("import-users", str(file))
    assert (2, True) == (done.returncode, "line 2: username: is taken" in done.stderr)
    done = operator("import-users", str(file), "--skip-existing")
    expected = "1 user imported, 1 left out because their name is taken\n"
    assert (0, expected) == (done.returncode, done.stdout)
    missing = operator("import-users", str(tmp_path / "none.csv"))
    assert (2, True) == (missing.returncode, "cannot read" in missing.stderr)
