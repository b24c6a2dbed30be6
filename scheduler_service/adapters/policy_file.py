"""Policies as data: a TOML file, by pool.

What stands at the top holds for every pool without a table of its own; [pools.<name>] says what
differs in one pool. Names and meanings are those of ``Policy``; spans of time are in seconds.
"""

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from scheduler_service.domain.ordering import ORDERS
from scheduler_service.domain.placement import PLACEMENTS
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.requests import SECOND
from servicekit.config import ConfigurationError

_SPANS = frozenset({"ageing", "half_life", "minimum_runtime", "cost"})


def read_policies(path: Path | None) -> dict[str, Policy]:
    """Returns the policies of a file by pool, that of all others under an empty name.

    Without a file every pool follows the policy that the contracts name as default.

    Raises:
        ConfigurationError: the file cannot be read, or describes something that cannot be.
    """
    if path is None:
        return {"": Policy()}
    try:
        content = tomllib.loads(path.read_text())
        pools = content.pop("pools", {})
        tables = {"": content} | {name: _merged(content, own) for name, own in pools.items()}
        return {name: _policy(table) for name, table in tables.items()}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"policy {path}: {error}") from None


def _policy(table: dict[str, Any]) -> Policy:
    defaults: dict[str, Any] = msgspec.to_builtins(Policy())
    policy = msgspec.convert(_merged(defaults, _in_micros(table)), Policy)
    for order in policy.order:
        if order not in ORDERS:
            raise ValueError(f"order: {order!r}, expected {', '.join(sorted(ORDERS))}")
    if policy.placement not in PLACEMENTS:
        raise ValueError(
            f"placement: {policy.placement!r}, expected {', '.join(sorted(PLACEMENTS))}"
        )
    return policy


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        inner = merged.get(name)
        both = isinstance(inner, dict) and isinstance(value, dict)
        merged[name] = _merged(inner, value) if both and inner else value
    return merged


def _in_micros(table: dict[str, Any]) -> dict[str, Any]:
    """With unknown names refused, spans in microseconds and tables of options as pairs."""
    known = set(msgspec.to_builtins(Policy()))
    for name in table:
        if name not in known:
            raise ValueError(f"{name}: expected one of {', '.join(sorted(known))}")
    return {name: _value(name, value) for name, value in table.items()}


def _value(name: str, value: Any) -> Any:
    if name in _SPANS and isinstance(value, int | float):
        return round(value * SECOND)
    if name in ("options", "weights") and isinstance(value, dict):
        return sorted(value.items())
    if isinstance(value, dict):
        return {inner: _value(inner, it) for inner, it in value.items()}
    return value
