"""README.md's table of settings is what the code would generate now."""

from local.settings_table import ANY_PREFIX, TARGET, renewed, table


def test_the_table_is_up_to_date() -> None:
    """A setting that was added, renamed or given another default is in it."""
    readme = TARGET.read_text()

    assert table() in readme, "run `make env-example`"
    assert readme == renewed(readme)


def test_every_setting_has_a_meaning() -> None:
    """No row is without a word about it, and what all processes share stands once."""
    rows = [line.split(" | ") for line in table().splitlines()[2:]]

    assert all(len(row) >= 3 and row[-1].strip(" |") for row in rows)
    assert 1 == sum(f"{ANY_PREFIX}_LOG_LEVEL" in row[0] for row in rows)
