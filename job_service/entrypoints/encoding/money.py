"""Amounts of money."""

from gpuaas.api.v1 import money_pb2
from job_service.domain.prices import Money


def write_money(message: money_pb2.Money, amount: Money | None) -> None:
    """An amount in place; one that is not known leaves the field unset."""
    if amount is not None:
        message.micros, message.currency_code = amount.micros, amount.currency
