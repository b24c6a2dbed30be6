"""Policies by name, and from files."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import msgspec

from scheduler_service.domain.ordering import ORDERS
from scheduler_service.domain.placement import PLACEMENTS
from scheduler_service.domain.scheduling.policy import (
    DAY,
    DurationSource,
    HeadRule,
    Policy,
    PreemptionRules,
)
from scheduler_service.domain.scheduling.requests import SECOND
from scheduler_service.simulate.errors import BadInput

_PLAIN = Policy(order=("fifo",), head=HeadRule.BLOCK, ageing=0)
_SHORTEST = replace(_PLAIN, order=("sjf",))
_SMALLEST = replace(_PLAIN, order=("ssf",))
_STOPPING = PreemptionRules(by_order=True)
_PREDICTED = Policy(
    order=("ssf",),
    head=HeadRule.SKIP,
    durations=DurationSource.PREDICTION,
    ageing=2 * DAY,
)
_LEVELS = Policy(
    order=("las_levels", "fifo"),
    head=HeadRule.SKIP,
    ageing=2 * DAY,
    preemption=PreemptionRules(by_order=True, cost=60 * SECOND, per_job_and_day=24),
)

POLICIES: dict[str, Policy] = {
    "default": Policy(),
    "fifo": _PLAIN,
    "fifo-skip": replace(_PLAIN, head=HeadRule.SKIP),
    "easy": replace(_PLAIN, head=HeadRule.BACKFILL),
    "sjf": _SHORTEST,
    "ssf": _SMALLEST,
    "srtf": replace(_SHORTEST, preemption=_STOPPING),
    "srsf": replace(_SMALLEST, preemption=_STOPPING),
    "las": replace(_PLAIN, order=("las",), preemption=_STOPPING),
    "predicted": _PREDICTED,
    "las-levels": _LEVELS,
}

NAMES = """\
- default: what the service does when nobody says otherwise.
- fifo: in the order of submission; when the first does not fit, all wait.
- fifo-skip: the same, but whatever fits starts.
- easy: the same, but what does not delay the first one starts (EASY backfill).
- sjf, ssf: the shortest job, or the smallest product of devices and duration, first.
- srtf, srsf: the same by what remains, and what runs is stopped for it.
- las: the least service so far first, and what runs is stopped for it.
- predicted: the smallest service first, as it is expected from what ended before; whatever fits
  starts, and what has waited two days goes first, on nodes that are kept for it.
- las-levels: the least service so far first, in levels; a run is left ten minutes and loses 60 s of
  work when it is stopped. What has waited two days goes first and is not stopped.
"""
"""What the names of ``POLICIES`` stand for."""


def find(name: str) -> Policy:
    """The policy of a name, or of a TOML or JSON file.

    A file has the attributes of ``Policy`` (scheduler_service/domain/scheduling/policy.py), spans
    of time in microseconds. With ``base``, the name of a policy, it says what differs from it.

    Raises:
        BadInput: there is no such policy, or the file holds something else.
    """
    if name in POLICIES:
        return POLICIES[name]
    path = Path(name)
    if path.suffix not in (".toml", ".json"):
        raise BadInput(f"policy {name!r}: expected {', '.join(POLICIES)}, or a .toml or .json file")
    return read(path)


def read(path: Path) -> Policy:
    """Reads a policy from a file; see ``find``."""
    try:
        text = path.read_text()
        content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        base = _base(path, content)
        policy = msgspec.convert(_merged(path, base, content), Policy)
    except (OSError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"policy {path}: {error}") from None
    _check(path, policy)
    return policy


def _base(path: Path, content: object) -> dict[str, object]:
    if not isinstance(content, dict):
        raise BadInput(f"policy {path}: expected a table of settings")
    name = content.pop("base", "default")
    if name not in POLICIES:
        raise BadInput(f"policy {path}: base: expected one of {', '.join(POLICIES)}")
    plain: dict[str, object] = msgspec.to_builtins(POLICIES[name])
    return plain


def _merged(
    path: Path, base: dict[str, object], changes: dict[str, object], at: str = ""
) -> dict[str, object]:
    merged = dict(base)
    for name, value in changes.items():
        if name not in base:
            raise BadInput(f"policy {path}: {at}{name}: expected one of {', '.join(base)}")
        old = base[name]
        if isinstance(old, dict) and isinstance(value, dict):
            merged[name] = _merged(path, old, value, f"{at}{name}.")
        elif name in ("options", "weights") and isinstance(value, dict):
            merged[name] = sorted(value.items())
        else:
            merged[name] = value
    return merged


def _check(path: Path, policy: Policy) -> None:
    for order in policy.order:
        if order not in ORDERS:
            raise BadInput(f"policy {path}: order: {order!r}, expected {', '.join(ORDERS)}")
    if policy.placement not in PLACEMENTS:
        raise BadInput(
            f"policy {path}: placement: {policy.placement!r}, expected {', '.join(PLACEMENTS)}"
        )
