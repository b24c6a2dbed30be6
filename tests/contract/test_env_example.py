"""The example of all settings is what the code would generate now."""

import pytest

from local.env_example import TARGET, content, settings_of
from local.layout import NAMES


@pytest.fixture
def assignments(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The example's assignments, with nothing of them set in this process."""
    lines = TARGET.read_text().splitlines()
    pairs = (line.removeprefix("#").partition("=") for line in lines if line.startswith("#GPUAAS"))
    result = {variable: value for variable, _, value in pairs}
    for variable in result:
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(f"{variable}_FILE", raising=False)
    return result


def test_the_example_is_up_to_date() -> None:
    """A setting that was added, renamed or given another default is in it."""
    assert content() == TARGET.read_text(), "run `make env-example`"


@pytest.mark.parametrize("name", NAMES)
def test_the_example_says_what_holds_without_it(
    name: str, assignments: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Setting everything as the example has it changes nothing."""
    settings = settings_of(name)
    plain = settings()

    for variable, value in assignments.items():
        monkeypatch.setenv(variable, value)

    assert plain == settings()
