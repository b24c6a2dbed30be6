"""What operators do at the command line, over the application's ports."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from auth_service.application import queries
from auth_service.application.commands.accounts import ImportUsers
from auth_service.application.commands.signing_keys import RotateSigningKey
from auth_service.application.ports import AuditLog, Changes
from auth_service.domain.audit import ChainBroken, Link
from auth_service.domain.signing_keys import LEAD, SigningKey
from auth_service.entrypoints.importing import ImportRefused, UserReader
from servicekit.clock import Clock
from servicekit.config import ConfigurationError


@dataclass(frozen=True, slots=True)
class Rotation:
    """Options of `rotate-keys`."""

    at_once: bool


def rotation(arguments: list[str]) -> Rotation:
    """Reads the options."""
    parser = _parser("rotate-keys", "Adds a key that signs access tokens from soon on.")
    parser.add_argument(
        "--at-once",
        action="store_true",
        help="sign with it now and delete all other keys: every access token becomes invalid "
        "within seconds, and sessions go on with their refresh tokens",
    )
    return Rotation(parser.parse_args(arguments).at_once)


async def rotate_keys(changes: Changes, key: SigningKey, options: Rotation, clock: Clock) -> None:
    """Adds a key, which running services take up by themselves."""
    await changes.execute(RotateSigningKey(key, options.at_once, clock.now()))
    when = "now; all other keys are deleted" if options.at_once else f"{key.signs_from:%FT%TZ}"
    _say(f"signing key {key.id}: published now, signs from {when}")
    if not options.at_once:
        _say(
            f"The old key is published until its last token has expired. (Readers get {LEAD} to "
            "fetch the new one.)"
        )


def noted_place(arguments: list[str]) -> Link | None:
    """Reads the options of `verify-audit`: a place in the log that was noted earlier."""
    parser = _parser("verify-audit", "Checks that no entry of the audit log was changed.")
    parser.add_argument(
        "--expect",
        metavar="SEQUENCE:HASH",
        help="what an earlier run printed and somebody noted elsewhere",
    )
    noted = parser.parse_args(arguments).expect
    if noted is None:
        return None
    sequence, _, digest = noted.partition(":")
    if not (sequence.isdecimal() and len(digest) == len(Link().hash)):
        parser.error("--expect: expected SEQUENCE:HASH, as this command prints it")
    return Link(int(sequence), digest)


async def verify_audit(log: AuditLog, expected: Link | None) -> None:
    """Walks the log; ends the process with code 1 at the first entry that is broken."""
    try:
        end = await queries.verify_audit(log, expected)
    except ChainBroken as broken:
        sys.stderr.write(f"the audit log is broken at {broken}\n")
        raise SystemExit(1) from None
    _say(f"the audit log is whole: {end.sequence:,} entries")
    _say(f"{end.sequence}:{end.hash}")


@dataclass(frozen=True, slots=True)
class Import:
    """Options of `import-users`."""

    path: Path
    skip_existing: bool


def users_import(arguments: list[str]) -> Import:
    """Reads the options."""
    parser = _parser("import-users", "Makes users of a CSV file; all of them, or none.")
    parser.add_argument("file", type=Path, metavar="FILE", help="columns username, password_hash")
    parser.add_argument(
        "--skip-existing", action="store_true", help="leave out users whose name is taken"
    )
    options = parser.parse_args(arguments)
    return Import(options.file, options.skip_existing)


async def import_users(changes: Changes, reader: UserReader, options: Import, clock: Clock) -> None:
    """Imports the file.

    Raises:
        ConfigurationError: it cannot be read, or lines of it are wrong or in others' way.
    """
    try:
        with options.path.open(newline="", encoding="utf-8-sig") as lines:
            users = reader.read(lines)
    except OSError as error:
        raise ConfigurationError(f"cannot read {options.path}: {error.strerror}") from None
    except ImportRefused as refused:
        raise ConfigurationError(f"{options.path}: nothing was imported\n{refused}") from None
    command = ImportUsers(tuple(users), options.skip_existing, clock.now())
    done = await changes.execute(command)
    if done.collisions:
        complaints = [f"line {line}: {column}: is taken" for line, column in done.collisions]
        advice = "--skip-existing leaves out users whose name is taken"
        why = ImportRefused(complaints)
        raise ConfigurationError(f"{options.path}: nothing was imported\n{why}\n{advice}")
    skipped = f", {done.skipped} left out because their name is taken" if done.skipped else ""
    _say(f"{done.made} {'user' if done.made == 1 else 'users'} imported{skipped}")


def _parser(verb: str, about: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=f"python -m auth_service {verb}", description=about)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
