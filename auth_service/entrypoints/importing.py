"""Users from another system, as a CSV file with a header.

Columns, in any order: `username` and `password_hash` are required; `email`, `role` (user, admin or
service; default user) and `team` (default "default") are optional. Other columns are refused, so
that a misspelt one is noticed.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from auth_service.application.commands.accounts import ImportedUser
from auth_service.domain.emails import checked_email, email_key
from auth_service.domain.roles import Role
from auth_service.domain.teams import DEFAULT, checked_team
from auth_service.domain.usernames import checked_username, username_key
from servicekit.errors import Failure
from servicekit.ids import IdSource

REQUIRED = ("username", "password_hash")
OPTIONAL = ("email", "role", "team")
MOST_USERS = 50_000
SHOWN = 20


class ImportRefused(Exception):
    """The file cannot be imported; `complaints` have a line each and never show a hash."""

    def __init__(self, complaints: list[str]) -> None:
        more = [f"... and {len(complaints) - SHOWN} more"] if len(complaints) > SHOWN else []
        super().__init__("\n".join(complaints[:SHOWN] + more))
        self.complaints = complaints


@dataclass(frozen=True, slots=True)
class UserReader:
    """Reads and checks all users of a file before any of them is stored."""

    adopted: Callable[[str], str]
    new_id: IdSource

    def read(self, lines: Iterable[str]) -> list[ImportedUser]:
        """Returns the users in the order of the file.

        Raises:
            ImportRefused: naming each line and column that is wrong, and what was expected.
        """
        rows = csv.DictReader(lines, strict=True)
        self._check_header(rows.fieldnames)
        users: list[ImportedUser] = []
        complaints: list[str] = []
        try:
            for row in rows:
                self._take(rows.line_num, row, users, complaints)
        except (csv.Error, UnicodeDecodeError) as error:
            complaints.append(f"line {rows.line_num + 1}: expected CSV in UTF-8: {error}")
        complaints += _doubles(users)
        if complaints:
            raise ImportRefused(complaints)
        return users

    def _check_header(self, names: Iterable[str] | None) -> None:
        found = list(names or ())
        wrong = [name for name in found if name not in REQUIRED + OPTIONAL]
        missing = [name for name in REQUIRED if name not in found]
        if wrong or missing or len(set(found)) < len(found):
            raise ImportRefused(
                [
                    "line 1: expected a header with the columns username and password_hash, "
                    "and none besides email, role and team, each once; "
                    f"unknown: {_list(wrong)}; missing: {_list(missing)}"
                ]
            )

    def _take(
        self, line: int, row: dict[str, str], users: list[ImportedUser], complaints: list[str]
    ) -> None:
        if len(users) >= MOST_USERS:
            raise ImportRefused([f"line {line}: expected at most {MOST_USERS:,} users in a file"])
        if None in row or None in row.values():
            complaints.append(f"line {line}: expected as many values as the header has columns")
            return
        try:
            users.append(self._user(line, row))
        except Failure as failure:
            complaints.append(f"line {line}: {failure.message}")
        except ValueError as error:
            complaints.append(f"line {line}: {error}")

    def _user(self, line: int, row: dict[str, str]) -> ImportedUser:
        return ImportedUser(
            line=line,
            id=self.new_id(),
            username=checked_username(row["username"]),
            email=checked_email(row.get("email", "")),
            role=_role(row.get("role", "")),
            team=checked_team(row.get("team", "") or DEFAULT),
            password_hash=self._hash(row["password_hash"]),
        )

    def _hash(self, foreign: str) -> str:
        try:
            return self.adopted(foreign)
        except ValueError as error:
            raise ValueError(f"password_hash: {error}") from None


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _role(text: str) -> Role:
    try:
        return Role(text.lower() or Role.USER)
    except ValueError:
        raise ValueError("role: expected user, admin or service") from None


def _doubles(users: Iterable[ImportedUser]) -> Iterator[str]:
    """Complains about names and addresses that stand in the file twice."""
    seen: dict[tuple[str, str], int] = {}
    for user in users:
        keys = [("username", username_key(user.username)), ("email", email_key(user.email) or "")]
        for column, key in keys:
            first = seen.setdefault((column, key), user.line) if key else user.line
            if first != user.line:
                yield f"line {user.line}: {column}: stands in line {first} already"
