"""Opaque tokens come back as they went, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.errors import InvalidArgument
from servicekit.tokens import ResumeToken, decode_page_token, encode_page_token

LOG = b"01234567"
KEYS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50),
    st.floats(allow_nan=False, allow_infinity=False),
)


@given(st.binary(min_size=8, max_size=8), st.integers(0, 2**63 - 1))
def test_a_resume_token_returns_its_position(log_id: bytes, revision: int) -> None:
    """Log and revision, in 28 characters that need no quoting in a URL."""
    text = ResumeToken(log_id, revision).encode()
    assert ResumeToken(log_id, revision) == ResumeToken.decode(text)
    assert 28 == len(text)
    assert text.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=40))
def test_no_other_text_is_a_resume_token(text: str) -> None:
    """Whatever a client makes up is refused with the reason, never an exception of another kind."""
    with pytest.raises(InvalidArgument) as refusal:
        ResumeToken.decode(text)
    assert "RESUME_TOKEN_INVALID" == refusal.value.reason


def test_a_changed_resume_token_is_refused() -> None:
    """Each single character matters."""
    text = ResumeToken(LOG, 7).encode()
    for place in range(len(text)):
        other = "B" if text[place] == "A" else "A"
        with pytest.raises(InvalidArgument):
            ResumeToken.decode(text[:place] + other + text[place + 1 :])


def test_a_negative_revision_is_refused() -> None:
    """A well-formed token with a position that no log has."""
    with pytest.raises(InvalidArgument):
        ResumeToken.decode(ResumeToken(LOG, -1).encode())


def test_a_log_id_has_eight_bytes() -> None:
    """Another length is a mistake of the programmer, not of the client."""
    with pytest.raises(ValueError, match="8 bytes"):
        ResumeToken(b"short", 1)


@given(st.text(max_size=50), st.lists(KEYS, max_size=4))
def test_a_page_token_returns_its_key(scope: str, key: list[str | int | float | None]) -> None:
    """For the list that it came from."""
    types = map(type, key)
    assert tuple(key) == decode_page_token(scope, encode_page_token(scope, key), *types)


@pytest.mark.parametrize("key", [[], [1, "a"], ["a"], [None], [1.0], [True], [2**63]])
def test_a_page_token_with_another_key_is_refused(key: list[int | str | float | None]) -> None:
    """Another number of values or another type, or a number that no column holds."""
    with pytest.raises(InvalidArgument) as refusal:
        decode_page_token("scope", encode_page_token("scope", key), int)
    assert "PAGE_TOKEN_INVALID" == refusal.value.reason


def test_a_page_token_with_text_that_no_column_holds_is_refused() -> None:
    """PostgreSQL has no NUL."""
    with pytest.raises(InvalidArgument):
        decode_page_token("scope", encode_page_token("scope", ["a\0"]), str)


def test_a_page_token_of_another_list_is_refused() -> None:
    """Another filter, owner or order would skip or repeat rows silently."""
    with pytest.raises(InvalidArgument) as refusal:
        decode_page_token("owner=bob", encode_page_token("owner=ada", [1]), int)
    assert "PAGE_TOKEN_INVALID" == refusal.value.reason


@given(st.text(min_size=1, max_size=4000))
def test_no_other_text_is_a_page_token(text: str) -> None:
    """Nor is a text far longer than any token."""
    with pytest.raises(InvalidArgument, match="page_token"):
        decode_page_token("scope", text)


def test_no_token_is_the_first_page() -> None:
    """As the contract says."""
    assert decode_page_token("scope", "") is None


def test_one_sort_of_token_is_not_taken_for_the_other() -> None:
    """Both are well-formed, and neither fits."""
    with pytest.raises(InvalidArgument):
        ResumeToken.decode(encode_page_token("scope", [1]))
    with pytest.raises(InvalidArgument):
        decode_page_token("scope", ResumeToken(LOG, 1).encode())
