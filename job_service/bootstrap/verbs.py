"""The verbs of the command line, each over a database that a service may be serving meanwhile."""

import sys
from collections.abc import Mapping

from job_service.adapters.ledger_check import check
from job_service.config import Settings
from servicekit import migrations
from servicekit.config import ConfigurationError
from servicekit.database import Database
from servicekit.errors import Unavailable
from servicekit.process import Verb


def _check_ledger(settings: Settings, arguments: list[str]) -> None:
    """Says whether the ledger is sound, and ends the process with code 1 if it is not.

    Raises:
        ConfigurationError: there are arguments, or the database cannot be read.
    """
    if arguments:
        raise ConfigurationError("usage: python -m job_service check-ledger")
    database = Database(settings.database_url)
    try:
        migrations.require_newest("job_service", database)
        checked = database.read_now(check)
    except Unavailable as gone:
        raise ConfigurationError(gone.message) from None
    finally:
        database.close()
    if checked.flaw:
        sys.stdout.write(f"{checked.flaw}\n")
        raise SystemExit(1)
    sys.stdout.write(
        f"sound: {checked.accounts} accounts, {checked.entries} entries, "
        f"{checked.reservations} reservations\n"
    )


VERBS: Mapping[str, Verb[Settings]] = {"check-ledger": _check_ledger}
