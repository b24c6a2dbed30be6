"""Everything that only reads."""

from collections.abc import Callable, Sequence

from scheduler_service.application.ports import Page, Reader, WorkloadFilter
from scheduler_service.domain.answers import PoolUse
from scheduler_service.domain.errors import WorkloadNotFound
from scheduler_service.domain.resources import Pool
from scheduler_service.domain.workload import Workload
from servicekit.values import Value


class PoolReport(Value, frozen=True):
    """A pool: what it is for, and how it is used now."""

    pool: Pool
    use: PoolUse


async def get_workload(reader: Reader, workload_id: str) -> Workload:
    """Returns one workload.

    Raises:
        WorkloadNotFound: no workload has this id.
    """
    workload = await reader.workload(workload_id)
    if workload is None:
        raise WorkloadNotFound(f"There is no workload {workload_id!r}.")
    return workload


async def list_workloads(reader: Reader, wanted: WorkloadFilter, size: int, after: int) -> Page:
    """Returns a page of workloads, in the order of their arrival."""
    return await reader.page(wanted, size, after)


async def list_pools(
    reader: Reader, use: Callable[[], Sequence[PoolUse]], environment: str
) -> list[PoolReport]:
    """Returns the pools of an environment, or all, by name; ``use`` is the engine's live view."""
    known = {pool.name: pool for pool in await reader.pools()}
    reports = [PoolReport(known.get(each.name, Pool(each.name)), each) for each in use()]
    return [report for report in reports if environment in ("", report.pool.environment)]
