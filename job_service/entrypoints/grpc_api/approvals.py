"""ApprovalService."""

from dataclasses import dataclass
from typing import Any

from gpuaas.job.v1 import approval_service_pb2 as pb
from gpuaas.job.v1.approval_service_pb2_grpc import ApprovalServiceServicer
from job_service.application.commands.acting import Policy
from job_service.application.commands.approving import SetApprovalRules
from job_service.application.ports import Reader
from job_service.entrypoints.decoding import fields
from job_service.entrypoints.decoding.rules import approval_rules
from job_service.entrypoints.encoding.rules import list_rules_response, set_rules_response
from job_service.entrypoints.grpc_api.calling import Context, caller
from servicekit.idempotency import Idempotent
from servicekit.logs import logger

_log = logger(__name__)


@dataclass(frozen=True)
class ApprovalApi(ApprovalServiceServicer):
    """Serves ApprovalService; the contract in `protos` says what each method promises."""

    once: Idempotent[Any]
    reader: Reader
    policy: Policy

    async def ListApprovalRules(
        self, request: pb.ListApprovalRulesRequest, context: Context
    ) -> pb.ListApprovalRulesResponse:
        """Lists the rules, until somebody sets others those of the settings."""
        return list_rules_response(await self.reader.approval_rules() or self.policy.rules)

    async def SetApprovalRules(
        self, request: pb.SetApprovalRulesRequest, context: Context
    ) -> pb.SetApprovalRulesResponse:
        """Replaces all rules."""
        reason = fields.text(request.reason, "reason")
        expected = request.expected_version if request.HasField("expected_version") else None
        command = SetApprovalRules(approval_rules(request), expected, self.policy)
        response = await self.once(
            request, command, set_rules_response, pb.SetApprovalRulesResponse
        )
        by = caller().name
        _log.info("approval rules set", by=by, reason=reason, version=response.version)
        return response
