import pytest

from auth_service.adapters.blocklist import common_passwords
from auth_service.domain.emails import checked_email, email_key
from auth_service.domain.errors import PasswordTooWeak
from auth_service.domain.passwords import LONGEST_BYTES, PasswordRules
from servicekit.errors import InvalidArgument


@pytest.mark.parametrize("password", ["twelve chars", "-1" * 7 + "x" * 1010, "пароль пароли"])
def test_length_is_all_that_a_password_needs(password: str) -> None:
    """Twelve characters of any kind are enough, up to the limit in bytes."""
    PasswordRules().check(password)


@pytest.mark.parametrize("password", ["", "elevenchars", "x" * (LONGEST_BYTES + 1), "é" * 513])
def test_refuses_passwords_outside_the_limits(password: str) -> None:
    """Too short counts characters, too long counts bytes; the refusal does not repeat it."""
    with pytest.raises(PasswordTooWeak) as refused:
        PasswordRules().check(password)
    assert "PASSWORD_TOO_WEAK" == refused.value.reason
    assert "elevenchars" not in refused.value.message


RULES = PasswordRules(8, frozenset({"monkey", "letmein", "correct horse"}))


@pytest.mark.parametrize(
    "password",
    [
        "Correct Horse",
        "monkey12",
        "2024-Monkey!",
        "letmeinletmein",
        "\uff2d\uff4f\uff4e\uff4b\uff45\uff5912",
        "aaaaaaaaaaaa",
        "abcabcabcabc",
        "12341234",
        "12345678",
        "987654321",
        "qwertyuiop",
        "lkjhgfdsa",
        "ABCDEFGHIJ",
    ],
)
def test_refuses_what_is_guessed_first(password: str) -> None:
    """Common ones, also with digits around or twice; few characters over and over; runs."""
    with pytest.raises(PasswordTooWeak, match="common or simple"):
        RULES.check(password)


@pytest.mark.parametrize(
    "password", ["correct horses", "monkey business", "letmein-letmeout", "83920174", "qwertzuiop"]
)
def test_takes_what_only_resembles_them(password: str) -> None:
    """A common password may be part of a longer one; digits need not be accompanied."""
    RULES.check(password)


def test_ones_own_name_is_no_password() -> None:
    """Neither name nor address, in whatever letters; the field is named as the caller says."""
    for password in ("ada.lovelace", "ADA@example.org"):
        with pytest.raises(PasswordTooWeak, match="your own name") as refused:
            RULES.check(password, "Ada.Lovelace", "ada@example.org", field_name="new_password")
        assert ["new_password"] == [violation.field for violation in refused.value.violations]


def test_the_shipped_list_knows_the_usual_suspects() -> None:
    """Thousands of passwords that are long enough, from the package's list."""
    common = common_passwords()
    assert {"password1", "iloveyou", "qwerty123456", "trustno1"} <= common
    assert 10_000 < len(common)
    with pytest.raises(PasswordTooWeak):
        PasswordRules(12, common).check("Password2024")


def test_the_least_length_is_a_setting() -> None:
    """Eight characters are enough where eight were asked for, and seven are not."""
    PasswordRules(min_length=8).check("8letters")
    with pytest.raises(PasswordTooWeak, match="8 characters"):
        PasswordRules(min_length=8).check("7letter")


@pytest.mark.parametrize("email", ["", "ada@example.org", "a@b", "آدا@مثال.ایران"])
def test_takes_what_passes_for_an_address(email: str) -> None:
    """An address is optional, and anything around one '@' will do."""
    assert email == checked_email(email)


@pytest.mark.parametrize("email", ["ada", "@", "a@", "@b", "a@b@c", "a b@c", "a\x00@b", "a" * 255])
def test_refuses_what_cannot_be_an_address(email: str) -> None:
    """The refusal names the field."""
    with pytest.raises(InvalidArgument) as refused:
        checked_email(email)
    assert ["email"] == [violation.field for violation in refused.value.violations]


def test_addresses_are_compared_without_case_and_none_is_like_no_other() -> None:
    """Users without an address do not collide with each other."""
    assert email_key("Ada@Example.org") == email_key("ada@example.ORG")
    assert email_key("") is None
