"""QuotaService."""

from dataclasses import dataclass
from typing import Any

from gpuaas.job.v1 import quota_service_pb2 as pb
from gpuaas.job.v1.quota_service_pb2_grpc import QuotaServiceServicer
from job_service.application import quotas
from job_service.application.commands.acting import Policy
from job_service.application.commands.quota import GrantHours, Quota, SetQuota
from job_service.application.ports import AccountQuery, Reader
from job_service.domain.errors import OwnerNotFound
from job_service.domain.ledger import of_team, of_user
from job_service.domain.quantity import period_of
from job_service.entrypoints.decoding import fields, filters, grants
from job_service.entrypoints.encoding.quotas import (
    entry_message,
    grant_response,
    quota_message,
    set_quota_response,
)
from job_service.entrypoints.grpc_api.calling import Context, caller, owner
from servicekit.clock import Clock
from servicekit.errors import invalid
from servicekit.idempotency import Idempotent
from servicekit.ids import IdSource
from servicekit.values import replace


@dataclass(frozen=True)
class QuotaApi(QuotaServiceServicer):
    """Serves QuotaService; the contract in `protos` says what each method promises."""

    once: Idempotent[Any]
    reader: Reader
    policy: Policy
    clock: Clock
    new_id: IdSource

    async def GetQuota(self, request: pb.GetQuotaRequest, context: Context) -> pb.GetQuotaResponse:
        """Gets a quota."""
        subject = _asked_for(request.owner_id, request.team)
        at = fields.moment(request, "at_time") or self.clock.now()
        quota = await quotas.get_quota(self.reader, subject, period_of(at), self.policy)
        return pb.GetQuotaResponse(quota=quota_message(_named(quota)))

    async def ListLedgerEntries(
        self, request: pb.ListLedgerEntriesRequest, context: Context
    ) -> pb.ListLedgerEntriesResponse:
        """Lists the entries of a quota."""
        query = filters.entry_query(request, _asked_for(request.owner_id, request.team))
        page = await quotas.list_entries(
            self.reader, query, fields.page_size(request.page_size), request.page_token
        )
        entries = [entry_message(entry) for entry in page.items]
        return pb.ListLedgerEntriesResponse(entries=entries, next_page_token=page.next_page_token)

    async def GrantHours(
        self, request: pb.GrantHoursRequest, context: Context
    ) -> pb.GrantHoursResponse:
        """Grants hours to a user or a limited team for this month."""
        now = self.clock.now()
        command = GrantHours(
            grant_id=self.new_id(),
            subject=grants.subject(request.owner_id, request.team),
            period=period_of(now),
            amount=grants.granted_amount(request),
            actor=caller().name,
            reason=fields.required(request.reason, "reason"),
            policy=self.policy,
            now=now,
        )
        return await self.once(request, command, grant_response, pb.GrantHoursResponse)

    async def SetQuota(self, request: pb.SetQuotaRequest, context: Context) -> pb.SetQuotaResponse:
        """Sets the limit of every month."""
        now = self.clock.now()
        command = SetQuota(
            change_id=self.new_id(),
            subject=grants.subject(request.owner_id, request.team),
            period=period_of(now),
            limit=grants.limit(request),
            actor=caller().name,
            reason=fields.required(request.reason, "reason"),
            now=now,
        )
        return await self.once(request, command, set_quota_response, pb.SetQuotaResponse)

    async def ListQuotas(
        self, request: pb.ListQuotasRequest, context: Context
    ) -> pb.ListQuotasResponse:
        """Lists the quotas of this month."""
        if request.teams and request.member_of:
            raise invalid("member_of", "none together with teams")
        member_of = fields.text(request.member_of, "member_of", grants.LONGEST_ID)
        query = AccountQuery(period_of(self.clock.now()), request.teams, member_of)
        page = await quotas.list_quotas(
            self.reader, query, fields.page_size(request.page_size), request.page_token
        )
        messages = [quota_message(quota) for quota in page.items]
        return pb.ListQuotasResponse(quotas=messages, next_page_token=page.next_page_token)


def _asked_for(owner_id: str, team: str) -> str:
    """The subject that is asked for: the caller, the caller's team, or for an admin any."""
    if owner_id and team:
        raise invalid("team", "none together with owner_id")
    asking, mine = caller(), owner()
    if not asking.is_admin and (owner_id or mine.id, team or mine.team) != (mine.id, mine.team):
        raise OwnerNotFound(owner_id or team)
    if team:
        return of_team(fields.text(team, "team", grants.LONGEST_ID))
    return of_user(fields.text(owner_id, "owner_id", grants.LONGEST_ID) or mine.id)


def _named(quota: Quota) -> Quota:
    """The caller's own quota by name, also before its first use."""
    mine = owner()
    if quota.account.subject != of_user(mine.id):
        return quota
    return Quota(replace(quota.account, name=mine.name), quota.is_default)
