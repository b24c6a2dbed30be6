import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_service.domain.errors import UsernameInvalid
from auth_service.domain.usernames import LONGEST, SHORTEST, checked_username, username_key


@pytest.mark.parametrize(
    "name",
    ["ada", "Ada.Lovelace-1815_x", "ada@example.org", "4tune", "مریم", "हिन्दी", "a" * LONGEST],
)
def test_takes_letters_digits_and_a_little_punctuation(name: str) -> None:
    """Letters and digits of every script are taken, with '.', '_', '-' and '@' after the first."""
    assert name == checked_username(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "a" * (LONGEST + 1),
        ".ada",
        "-ada",
        "@ada",
        "a da",
        "ada\n",
        "a\x00da",
        "a/da",
        "ada\u200d",
        "a\u202eda",
        "ada💥",
        "\ufdfa" * LONGEST,
    ],
)
def test_refuses_everything_else(name: str) -> None:
    """Wrong lengths and wrong characters are refused, naming field and expectation."""
    with pytest.raises(UsernameInvalid) as refused:
        checked_username(name)
    assert "USERNAME_INVALID" == refused.value.reason
    assert ["username"] == [violation.field for violation in refused.value.violations]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada", "ada"),
        ("STRASSE", "straße"),
        ("Ａｄａ", "ada"),
        ("ﬁona", "FIONA"),
        ("Zoe\u0308", "zo\u00eb"),
    ],
)
def test_names_that_read_the_same_are_the_same(one: str, other: str) -> None:
    """Case, width, ligatures and composition do not make another name."""
    assert username_key(checked_username(one)) == username_key(checked_username(other))


def test_different_names_stay_different() -> None:
    """Punctuation tells names apart."""
    assert username_key("ada.l") != username_key("ada_l")


@given(st.text(max_size=LONGEST + 8))
def test_a_name_once_checked_stays_as_it_is(text: str) -> None:
    """Whatever is taken is within the limits, is taken again unchanged, and has one key."""
    try:
        name = checked_username(text)
    except UsernameInvalid:
        return
    assert SHORTEST <= len(name) <= LONGEST
    assert name == checked_username(name)
    assert username_key(text) == username_key(name)
