"""Everything that only reads."""

from collections.abc import Sequence
from datetime import datetime

from scheduler_service.application.ports import Foresight, History, Page, Reader, WorkloadFilter
from scheduler_service.domain.answers import Explanation, PoolUse
from scheduler_service.domain.errors import HistoryExpired, WorkloadNotFound
from scheduler_service.domain.resources import Pool
from scheduler_service.domain.scheduling.explain import ReasonKind
from scheduler_service.domain.workload import Workload, WorkloadState
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


async def explain_workload(reader: Reader, foresight: Foresight, workload_id: str) -> Explanation:
    """Returns why a workload waits, or that it does not.

    Raises:
        WorkloadNotFound: no workload has this id.
    """
    found = await foresight.explain([workload_id])
    return found[0] if found else _without_engine(await get_workload(reader, workload_id))


async def explain_past(
    reader: Reader, history: History | None, workload_id: str, at: datetime
) -> Explanation:
    """Returns why a workload waited at a time in the past, or that it did not.

    Raises:
        WorkloadNotFound: no workload has this id.
        HistoryExpired: the decisions of that time are not kept, or none ever are.
    """
    await get_workload(reader, workload_id)
    if history is None:
        raise HistoryExpired("No decisions are kept here: there is no decision log.")
    found = await history.explain(workload_id, at)
    message = "It neither waited nor ran then."
    return found or Explanation(workload_id, ReasonKind.NOT_WAITING, message)


async def explain_workloads(
    reader: Reader, foresight: Foresight, workload_ids: Sequence[str]
) -> list[Explanation]:
    """Returns why each of these workloads waits, in the order of the ids, without unknown ones."""
    found = {each.workload_id: each for each in await foresight.explain(workload_ids)}
    others = [each for each in workload_ids if each not in found]
    for workload in await reader.workloads(others) if others else ():
        found[workload.spec.id] = _without_engine(workload)
    return [found[each] for each in workload_ids if each in found]


def _without_engine(workload: Workload) -> Explanation:
    """What is said of a workload that the engine does not know: it has ended, or just arrived."""
    if workload.state is WorkloadState.QUEUED:
        return Explanation(workload.spec.id, ReasonKind.UNKNOWN, "It has just arrived.")
    message = f"It does not wait: it is {workload.state}."
    return Explanation(workload.spec.id, ReasonKind.NOT_WAITING, message)


async def list_workloads(reader: Reader, wanted: WorkloadFilter, size: int, after: int) -> Page:
    """Returns a page of workloads, in the order of their arrival."""
    return await reader.page(wanted, size, after)


async def list_pools(reader: Reader, foresight: Foresight, environment: str) -> list[PoolReport]:
    """Returns the pools of an environment, or all, by name."""
    known = {pool.name: pool for pool in await reader.pools()}
    reports = [
        PoolReport(known.get(each.name, Pool(each.name)), each) for each in await foresight.pools()
    ]
    return [report for report in reports if environment in ("", report.pool.environment)]
