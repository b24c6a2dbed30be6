"""The versions of every service's database, on both makes of database."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import auth_service.adapters.tables
import job_service.adapters.tables
import scheduler_service.adapters.tables
from servicekit import migrations
from servicekit.config import ConfigurationError
from servicekit.database import Database

DECLARED = {
    "auth_service": auth_service.adapters.tables.METADATA,
    "job_service": job_service.adapters.tables.METADATA,
    "scheduler_service": scheduler_service.adapters.tables.METADATA,
}

pytestmark = pytest.mark.parametrize("service", DECLARED)


def test_migrations_make_the_tables_that_queries_know(service: str, database_url: str) -> None:
    """The newest version differs in nothing from the declared tables."""
    migrations.upgrade(service, database_url)
    database = Database(database_url)
    compare = {"compare_type": True, "compare_server_default": True}
    found = database.read_now(
        lambda it: compare_metadata(MigrationContext.configure(it, opts=compare), DECLARED[service])
    )
    database.close()
    assert [] == found


def test_migrations_go_up_twice_and_all_the_way_down(service: str, database_url: str) -> None:
    """A second upgrade changes nothing; a downgrade leaves nothing but alembic's own table."""
    declared = set(DECLARED[service].tables) | {"alembic_version"}
    migrations.upgrade(service, database_url)
    migrations.upgrade(service, database_url)
    assert declared == _tables(database_url)
    migrations.downgrade(service, database_url)
    assert {"alembic_version"} == _tables(database_url)
    migrations.upgrade(service, database_url)
    assert declared == _tables(database_url)


def test_an_old_database_is_recognised(service: str, database_url: str) -> None:
    """A service says which command brings its database up to date, and then it is."""
    database = Database(database_url)
    with pytest.raises(ConfigurationError, match=f"python -m {service} migrate"):
        migrations.require_newest(service, database)
    migrations.upgrade(service, database_url)
    migrations.require_newest(service, database)
    database.close()


def _tables(url: str) -> set[str]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        names = set(sa.inspect(connection).get_table_names())
    engine.dispose()
    return names
