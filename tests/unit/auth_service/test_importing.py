import itertools

import pytest

from auth_service.domain.roles import Role
from auth_service.entrypoints.importing import SHOWN, ImportRefused, UserReader
from tests.fakes.auth_service import FakeHasher

HEADER = "username,password_hash,email,role,team"


def read(*lines: str) -> list[tuple[str, str, Role, str, str]]:
    """What a file with these lines says."""
    ids = map("id-{}".format, itertools.count())
    users = UserReader(FakeHasher().adopted, ids.__next__).read([f"{line}\n" for line in lines])
    return [(it.username, it.email, it.role, it.team, it.password_hash) for it in users]


def complaints(*lines: str) -> list[str]:
    """What is wrong with a file."""
    with pytest.raises(ImportRefused) as refused:
        read(*lines)
    return refused.value.complaints


def test_a_file_says_who_there_is() -> None:
    """With all columns, or only the two that have to be there, in any order."""
    ada = ("Ada", "ada@example.org", Role.ADMIN, "engines", "old hash of x")
    assert [ada] == read(HEADER, "Ada,old hash of x,ada@example.org,Admin,engines")
    bob = ("bob", "", Role.USER, "default", "old hash of y")
    assert [bob] == read("password_hash,username", "old hash of y,bob")
    assert [bob] == read(HEADER, "bob,old hash of y,,,")
    assert [] == read(HEADER)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("a b,old hash of x,,,", "line 2: username: expected 3 to 64 letters"),
        ("Ada,secret-hash,,,", "line 2: password_hash: expected an old hash"),
        ("Ada,old hash of x,nowhere,,", "line 2: email: expected an address"),
        ("Ada,old hash of x,,root,", "line 2: role: expected user, admin or service"),
        ("Ada,old hash of x,,,no team", "line 2: team: expected 1 to 64"),
        ("Ada,old hash of x", "line 2: expected as many values as the header has columns"),
        ("Ada,old hash of x,,,,more", "line 2: expected as many values"),
        ('Ada,"old hash', "expected CSV in UTF-8"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(line: str, complaint: str) -> None:
    """With what was expected, and never with a hash."""
    [said] = complaints(HEADER, line)
    assert complaint in said
    assert "secret-hash" not in said


def test_everything_wrong_is_said_at_once() -> None:
    """Up to a limit, and nothing is imported."""
    said = complaints(HEADER, *["a b,old hash of x,,,"] * (SHOWN + 5))
    assert SHOWN + 5 == len(said)
    with pytest.raises(ImportRefused, match=r"\.\.\. and 5 more"):
        read(HEADER, *["a b,old hash of x,,,"] * (SHOWN + 5))


@pytest.mark.parametrize("header", ["", "username", "username,password", "username,username"])
def test_a_header_has_to_be_there(header: str) -> None:
    """Missing and unknown columns are named."""
    [said] = complaints(header)
    assert said.startswith("line 1: expected a header with the columns username and password_hash")


def test_nobody_stands_in_the_file_twice() -> None:
    """Neither a name nor an address, in whatever letters."""
    lines = ["Ada,old hash of x,a@b,,", "ADA,old hash of x,,,", "bob,old hash of x,A@B,,"]
    expected = [
        "line 3: username: stands in line 2 already",
        "line 4: email: stands in line 2 already",
    ]
    assert expected == complaints(HEADER, *lines)
