"""Approval rules."""

from gpuaas.job.v1 import approval_rule_pb2, approval_service_pb2
from job_service.domain.approval import Rule, Rules
from job_service.entrypoints.encoding.money import write_money


def list_rules_response(rules: Rules) -> approval_service_pb2.ListApprovalRulesResponse:
    """The answer that lists all rules."""
    return approval_service_pb2.ListApprovalRulesResponse(
        rules=[_rule(rule) for rule in rules.rules], version=rules.version
    )


def set_rules_response(rules: Rules) -> approval_service_pb2.SetApprovalRulesResponse:
    """The answer to other rules."""
    return approval_service_pb2.SetApprovalRulesResponse(
        rules=[_rule(rule) for rule in rules.rules], version=rules.version
    )


def _rule(rule: Rule) -> approval_rule_pb2.ApprovalRule:
    message = approval_rule_pb2.ApprovalRule(
        name=rule.name,
        decision=approval_rule_pb2.ApprovalRule.Decision.Value(f"DECISION_{rule.decision}"),
        teams=sorted(rule.teams),
        roles=sorted(rule.roles),
        gpu_types=sorted(rule.gpu_types),
        max_milli_gpu_seconds=rule.at_most,
        above_milli_gpu_seconds=rule.above,
        message=rule.message,
    )
    write_money(message.max_cost, rule.max_cost)
    return message
