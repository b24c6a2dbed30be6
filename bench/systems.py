"""Systems to measure: databases of either make, room for every job, data gone afterwards."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from bench.cluster import Cluster
from local.layout import ANY_PORTS, WITH_DATABASE, Name
from local.postgres import Postgres
from local.processes import ROOT
from local.supervisor import System

Make = Literal["sqlite", "postgres"]

BOUNDLESS_GPU_HOURS = "1000000000"
DEFAULT_CLUSTER = Cluster()


@contextlib.contextmanager
def running(
    make: Make,
    *,
    auto_approve: bool,
    cluster: Cluster = DEFAULT_CLUSTER,
    programs: Mapping[Name, Sequence[str]] | None = None,
    identity: Mapping[str, str] | None = None,
) -> Iterator[System]:
    """Starts a whole system on free ports with empty databases and quotas that nobody uses up.

    Args:
        make: SQLite files, or a PostgreSQL server of its own with one database for each service.
        auto_approve: whether every job is approved at once, or none.
        cluster: what there is to run on.
        programs: commands in place of `python -m <name>`.
        identity: settings of auth_service that are not the default.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch_folder())
        extra: dict[Name, Mapping[str, str]] = {
            "auth_service": identity or {},
            "job_service": {
                "GPUAAS_JOB_DEFAULT_QUOTA_GPU_HOURS": BOUNDLESS_GPU_HOURS,
                "GPUAAS_JOB_AUTO_APPROVE_GPU_HOURS": BOUNDLESS_GPU_HOURS if auto_approve else "0",
            },
            "scheduler_service": cluster.settings(folder),
        }
        databases = stack.enter_context(_databases(make))
        yield stack.enter_context(
            System(
                folder / "data",
                listen=ANY_PORTS,
                databases=databases,
                extra=extra,
                programs=programs,
            )
        )


def analyze(system: System) -> None:
    """Does at once what PostgreSQL's autovacuum does a minute after tables have filled.

    A measurement ends before that; without statistics its plans would be those of empty tables.
    """
    for url in system.layout.databases.values():
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE")
        engine.dispose()


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Makes a folder on the disk that the project itself is on, since /tmp may be memory."""
    parent = ROOT / "var" / "bench"
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _databases(make: Make) -> Iterator[Mapping[Name, str]]:
    if make == "sqlite":
        yield {}
        return
    with Postgres() as server:
        yield {name: server.create_database(name) for name in WITH_DATABASE}
