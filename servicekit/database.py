"""One service's database: the writer's single connection and a pool of reading ones.

SQLAlchemy's synchronous engine does the talking; asyncio stays at the edge. SQLite runs in WAL mode
with ``synchronous=FULL``, so that a commit is on disk before it returns; its writer opens every
transaction with ``BEGIN IMMEDIATE`` and its readers cannot write at all.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from servicekit.errors import Unavailable
from servicekit.logs import logger
from servicekit.statements import send

T = TypeVar("T")
_log = logger(__name__)

READERS = 4
BUSY_TIMEOUT_MS = 10_000
CHECKPOINT_PAGES = 4_000  # 16 MB of log: pages that change again and again are copied once
COMPILED_STATEMENTS = 200  # a list with many conditions takes a hundred kilobytes to remember
CACHED_STATEMENTS = 4_000  # a text for each number of rows that a group may send to a table
CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_MS = 30_000
# A network that swallows packets is noticed after some ten seconds, not after many minutes.
_DEAD_PEER = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}

# The writer finds rows by their keys alone. A plan made while a table was small, or not analysed
# yet, would read all of it for every group, ever longer as it grows.
_BY_KEY = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}


class Database:
    """Owns both engines of one database and the threads that read from it."""

    def __init__(self, url: str, *, readers: int = READERS) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.writing = _engine(
            self.url, size=2, begin="BEGIN IMMEDIATE"
        )  # the writer, and an opener beside it
        self._reading = _engine(self.url, size=readers, begin="BEGIN", query_only=True)
        self._threads = ThreadPoolExecutor(readers, thread_name_prefix="database-read")

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Runs ``query`` on a reading connection in a thread.

        The query may run twice: a connection that the server dropped is replaced once.

        Raises:
            Unavailable: the database cannot be reached.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self.read_now, query)

    async def answers(self) -> bool:
        """Whether the database can be read now."""
        try:
            await self.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())
        except Unavailable:
            return False
        return True

    def read_now(self, query: Callable[[Connection], T]) -> T:
        """Runs ``query`` in the calling thread; see ``read``."""
        try:
            return self._read_once(query)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise unavailable(error) from error
        try:
            return self._read_once(query)
        except DBAPIError as error:
            raise unavailable(error) from error

    def _read_once(self, query: Callable[[Connection], T]) -> T:
        with self._reading.connect() as connection:
            return query(connection)

    def close(self) -> None:
        """Ends the reading threads and closes every connection."""
        self._threads.shutdown()
        self._reading.dispose()
        self.writing.dispose()


def unavailable(error: DBAPIError) -> Unavailable:
    """The failure a caller sees when the database refused or went away.

    The log gets the database's own code; its message may quote the row, and is left out.
    """
    cause = type(error.orig).__name__
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None)
    _log.warning("the database did not answer", cause=cause, code=code)
    return Unavailable(f"The database did not answer ({cause}); try again.")


def _engine(url: sa.URL, *, size: int, begin: str, query_only: bool = False) -> Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, size, begin, query_only)
    settings: dict[str, Any] = {
        "synchronous_commit": "on",
        "default_transaction_read_only": "on" if query_only else "off",
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        # A frozen replica loses the log's lock instead of stopping all the others.
        "idle_in_transaction_session_timeout": STATEMENT_TIMEOUT_MS,
    }
    if not query_only:
        settings |= _BY_KEY
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return sa.create_engine(
        url,
        pool_size=size,
        max_overflow=0,
        hide_parameters=True,
        query_cache_size=COMPILED_STATEMENTS,
        connect_args={"options": options, "connect_timeout": CONNECT_TIMEOUT_S, **_DEAD_PEER},
    )


def _sqlite(url: sa.URL, size: int, begin: str, query_only: bool) -> Engine:
    engine = sa.create_engine(
        url,
        poolclass=sa.QueuePool,
        pool_size=size,
        max_overflow=0,
        hide_parameters=True,
        query_cache_size=COMPILED_STATEMENTS,
        connect_args={"check_same_thread": False, "cached_statements": CACHED_STATEMENTS},
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = (
            None  # transactions begin where the next listener says, not in the driver
        )
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            f"wal_autocheckpoint={CHECKPOINT_PAGES}",
            "foreign_keys=ON",
            f"query_only={int(query_only)}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        send(connection, begin)

    return engine
