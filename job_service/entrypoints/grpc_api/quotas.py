"""QuotaService."""

from dataclasses import dataclass
from typing import Any

from gpuaas.job.v1 import quota_service_pb2
from gpuaas.job.v1.quota_service_pb2_grpc import QuotaServiceServicer
from job_service.application import queries
from job_service.application.commands.acting import Policy
from job_service.application.commands.quota import GrantHours
from job_service.application.ports import Reader
from job_service.domain.errors import OwnerNotFound
from job_service.domain.quantity import period_of
from job_service.entrypoints.decoding import fields, filters, grants
from job_service.entrypoints.encoding.quotas import entry_message, quota_message
from job_service.entrypoints.grpc_api.calling import Context, caller
from servicekit.clock import Clock
from servicekit.idempotency import Idempotent
from servicekit.ids import IdSource


@dataclass(frozen=True)
class QuotaApi(QuotaServiceServicer):
    """Serves QuotaService; the contract in `protos` says what each method promises."""

    once: Idempotent[Any]
    reader: Reader
    policy: Policy
    clock: Clock
    new_id: IdSource

    async def GetQuota(
        self, request: quota_service_pb2.GetQuotaRequest, context: Context
    ) -> quota_service_pb2.GetQuotaResponse:
        """Gets a quota."""
        _refuse_team(request.team)
        if request.HasField("at_time"):
            raise fields.unbuilt("at_time")
        owner_id = _owner_asked_for(request.owner_id)
        account = await queries.get_account(self.reader, owner_id, self.policy, self.clock.now())
        name = caller().name if owner_id == caller().id else ""
        return quota_service_pb2.GetQuotaResponse(quota=quota_message(account, name))

    async def ListLedgerEntries(
        self, request: quota_service_pb2.ListLedgerEntriesRequest, context: Context
    ) -> quota_service_pb2.ListLedgerEntriesResponse:
        """Lists the entries of a quota."""
        _refuse_team(request.team)
        query = filters.entry_query(request, _owner_asked_for(request.owner_id))
        page = await queries.list_entries(
            self.reader, query, fields.page_size(request.page_size), request.page_token
        )
        entries = [entry_message(entry) for entry in page.items]
        return quota_service_pb2.ListLedgerEntriesResponse(
            entries=entries, next_page_token=page.next_page_token
        )

    async def GrantHours(
        self, request: quota_service_pb2.GrantHoursRequest, context: Context
    ) -> quota_service_pb2.GrantHoursResponse:
        """Grants hours to a user for this month."""
        _refuse_team(request.team)
        now = self.clock.now()
        command = GrantHours(
            grant_id=self.new_id(),
            owner_id=fields.required(request.owner_id, "owner_id"),
            period=period_of(now),
            amount=grants.granted_amount(request),
            actor=caller().name,
            reason=fields.required(request.reason, "reason"),
            policy=self.policy,
            now=now,
        )
        return await self.once(request, command, _granted, quota_service_pb2.GrantHoursResponse)


def _granted(account: Any) -> quota_service_pb2.GrantHoursResponse:
    return quota_service_pb2.GrantHoursResponse(quota=quota_message(account, ""))


def _owner_asked_for(owner_id: str) -> str:
    """The caller, or for an admin whoever was asked for."""
    asking = caller()
    if owner_id and owner_id != asking.id and not asking.is_admin:
        raise OwnerNotFound(owner_id)
    return fields.text(owner_id, "owner_id", filters.LONGEST_ID) or asking.id


def _refuse_team(team: str) -> None:
    """Quotas are users' yet."""
    if team:
        raise fields.unbuilt("team")
