"""Approval rules as an admin writes them."""

import re
from collections.abc import Iterable, Mapping

from gpuaas.job.v1 import approval_rule_pb2, approval_service_pb2
from job_service.domain.approval import Decision, Rule
from job_service.domain.ledger import MOST
from job_service.domain.prices import Money
from job_service.entrypoints.decoding import fields
from servicekit.errors import invalid

MOST_RULES = 100
MOST_NAMES = 100
LONGEST_NAME = 63
_CURRENCY = re.compile("[A-Z]{3}")
ROLES = frozenset({"USER", "ADMIN", "SERVICE"})
DECISIONS: Mapping[int, Decision] = {
    approval_rule_pb2.ApprovalRule.Decision.Value(f"DECISION_{it.value}"): it for it in Decision
}


def approval_rules(request: approval_service_pb2.SetApprovalRulesRequest) -> tuple[Rule, ...]:
    """All rules of a request, in their order."""
    if len(request.rules) > MOST_RULES:
        raise invalid("rules", f"at most {MOST_RULES} rules")
    rules = tuple(_rule(rule, f"rules[{place}].") for place, rule in enumerate(request.rules))
    if len({rule.name for rule in rules}) < len(rules):
        raise invalid("rules", "rules of different names")
    return rules


def _rule(message: approval_rule_pb2.ApprovalRule, path: str) -> Rule:
    if not message.name.strip():
        raise invalid(f"{path}name", "a name")
    roles = _names(message.roles, f"{path}roles")
    if roles - ROLES:
        raise invalid(f"{path}roles", "USER, ADMIN or SERVICE")
    return Rule(
        name=fields.printable(message.name, f"{path}name", LONGEST_NAME),
        decision=fields.known(DECISIONS, message.decision, f"{path}decision"),
        teams=_names(message.teams, f"{path}teams"),
        roles=roles,
        gpu_types=_names(message.gpu_types, f"{path}gpu_types"),
        at_most=_amount(message.max_milli_gpu_seconds, f"{path}max_milli_gpu_seconds"),
        above=_amount(message.above_milli_gpu_seconds, f"{path}above_milli_gpu_seconds"),
        message=fields.text(message.message, f"{path}message"),
        max_cost=_cost(message, f"{path}max_cost."),
    )


def _cost(message: approval_rule_pb2.ApprovalRule, path: str) -> Money | None:
    """A cost; in which currency costs are, the rules' command knows."""
    if not message.HasField("max_cost"):
        return None
    if message.max_cost.micros < 0:
        raise invalid(f"{path}micros", "0 or more")
    if not _CURRENCY.fullmatch(message.max_cost.currency_code):
        raise invalid(f"{path}currency_code", "three letters of ISO 4217, for example USD")
    return Money(message.max_cost.micros, message.max_cost.currency_code)


def _names(names: Iterable[str], field: str) -> frozenset[str]:
    found = frozenset(fields.required(name, field, LONGEST_NAME) for name in names)
    if len(found) > MOST_NAMES:
        raise invalid(field, f"at most {MOST_NAMES} of them")
    return found


def _amount(amount: int, field: str) -> int:
    if not 0 <= amount <= MOST:
        raise invalid(field, f"0 to {MOST:,}")
    return amount
