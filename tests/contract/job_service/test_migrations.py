"""The database's versions, on both makes of database."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from job_service.adapters.tables import METADATA
from servicekit import migrations
from servicekit.config import ConfigurationError
from servicekit.database import Database

PACKAGE = "job_service"


def test_migrations_make_the_tables_that_queries_know(database_url: str) -> None:
    """The newest version differs in nothing from the declared tables."""
    migrations.upgrade(PACKAGE, database_url)
    database = Database(database_url)
    compare = {"compare_type": True, "compare_server_default": True}
    found = database.read_now(
        lambda it: compare_metadata(MigrationContext.configure(it, opts=compare), METADATA)
    )
    database.close()
    assert [] == found


def test_migrations_go_up_twice_and_all_the_way_down(database_url: str) -> None:
    """A second upgrade changes nothing; a downgrade leaves nothing but alembic's own table."""
    migrations.upgrade(PACKAGE, database_url)
    migrations.upgrade(PACKAGE, database_url)
    assert set(METADATA.tables) | {"alembic_version"} == _tables(database_url)
    migrations.downgrade(PACKAGE, database_url)
    assert {"alembic_version"} == _tables(database_url)
    migrations.upgrade(PACKAGE, database_url)
    assert set(METADATA.tables) | {"alembic_version"} == _tables(database_url)


def test_an_old_database_is_recognised(database_url: str) -> None:
    """A service says which command brings its database up to date, and then it is."""
    database = Database(database_url)
    with pytest.raises(ConfigurationError, match="python -m job_service migrate"):
        migrations.require_newest(PACKAGE, database)
    migrations.upgrade(PACKAGE, database_url)
    migrations.require_newest(PACKAGE, database)
    database.close()


def _tables(url: str) -> set[str]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        names = set(sa.inspect(connection).get_table_names())
    engine.dispose()
    return names
