"""The one way in which every service's database moves between versions, by alembic without a file.

A service's package has a folder `migrations` with `versions/` and an `env.py` that only calls
`migrate`.
"""

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from servicekit.config import ConfigurationError
from servicekit.database import Database
from servicekit.errors import Unavailable


def upgrade(package: str, url: str) -> None:
    """Brings the database of a service to its newest version; does nothing if it is there.

    Raises:
        ConfigurationError: the database cannot be opened.
    """
    url_parts = sa.make_url(url)
    if url_parts.get_backend_name() == "sqlite" and url_parts.database:
        Path(url_parts.database).parent.mkdir(parents=True, exist_ok=True)
    _run(package, url, lambda config: command.upgrade(config, "head"))


def downgrade(package: str, url: str, revision: str = "base") -> None:
    """Takes the database back to a revision; "base" is an empty one."""
    _run(package, url, lambda config: command.downgrade(config, revision))


def require_newest(package: str, database: Database) -> None:
    """Raises ConfigurationError, saying what to do, unless the database has the newest version."""
    newest = ScriptDirectory.from_config(_config(package)).get_current_head()
    try:
        found = database.read_now(lambda it: MigrationContext.configure(it).get_current_revision())
    except Unavailable:
        raise _unreachable(package, database) from None
    if found != newest:
        raise ConfigurationError(
            f"{package}'s database is at version {found or 'none'}, expected {newest}: "
            f"run `python -m {package} migrate`"
        )


def migrate(metadata: sa.MetaData) -> None:
    """Runs what alembic was asked for; the one line of a service's `env.py`."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata)
    context.run_migrations()


def _run(package: str, url: str, work: Callable[[Config], None]) -> None:
    """Does the work in one transaction: all steps are on disk, or none."""
    config = _config(package)
    database = Database(url)
    try:
        with _connected(package, database) as connection, connection.begin():
            config.attributes["connection"] = connection
            work(config)
    finally:
        database.close()


def _connected(package: str, database: Database) -> Connection:
    try:
        return database.writing.connect()
    except sa.exc.OperationalError:
        raise _unreachable(package, database) from None


def _unreachable(package: str, database: Database) -> ConfigurationError:
    return ConfigurationError(
        f"{package}'s database {database.url.render_as_string(hide_password=True)} cannot be "
        f"opened; if it is a new one, run `python -m {package} migrate`"
    )


def _config(package: str) -> Config:
    config = Config()
    config.set_main_option("script_location", f"{package}:migrations")
    return config
