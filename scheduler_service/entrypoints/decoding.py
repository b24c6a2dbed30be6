"""Messages of the contract as the domain knows them; what is not acceptable is named."""

import re
from datetime import datetime, timedelta
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gpuaas.scheduler.v1 import resource_pb2, scheduler_service_pb2, workload_pb2
from scheduler_service.application.ports import WorkloadFilter
from scheduler_service.domain.prices import Money
from scheduler_service.domain.resources import WHOLE, Demand, ResourceType
from scheduler_service.domain.spec import (
    PriorityClass,
    Program,
    Simulation,
    Strategy,
    WorkloadSpec,
)
from scheduler_service.domain.workload import Workload, WorkloadState
from servicekit import wellknown
from servicekit.clock import from_micros
from servicekit.errors import invalid
from servicekit.tokens import decode_page_token

LARGEST_WORKLOAD = 64 * 1024
LONGEST_ID = 128
LONGEST_NAME = 256
LONGEST_REASON = 1000
MOST_ITEMS = 1000
MOST_DEVICES = 1000
MOST_NODES = 10_000
MOST_AMOUNT = 1_000_000
MOST_HOURS = 87_600
MOST_MICROS = 1_000_000_000_000
PAGE_SIZE, LARGEST_PAGE = 50, 500
_CURRENCY = re.compile("[A-Z]{3}")
_LATEST = 253_402_300_799
_LONGEST_SECONDS = 10 * 366 * 24 * 3600

T = TypeVar("T")

_RESOURCE_TYPES: dict[int, ResourceType] = {
    resource_pb2.RESOURCE_TYPE_UNSPECIFIED: ResourceType.GPU,
    resource_pb2.RESOURCE_TYPE_GPU: ResourceType.GPU,
    resource_pb2.RESOURCE_TYPE_CPU: ResourceType.CPU,
    resource_pb2.RESOURCE_TYPE_NPU: ResourceType.NPU,
    resource_pb2.RESOURCE_TYPE_TPU: ResourceType.TPU,
}
_STRATEGIES: dict[int, Strategy] = {
    resource_pb2.STRATEGY_UNSPECIFIED: Strategy.BALANCED,
    resource_pb2.STRATEGY_COST: Strategy.COST,
    resource_pb2.STRATEGY_PERFORMANCE: Strategy.PERFORMANCE,
    resource_pb2.STRATEGY_AVAILABILITY: Strategy.AVAILABILITY,
    resource_pb2.STRATEGY_BALANCED: Strategy.BALANCED,
}
_PRIORITY_CLASSES: dict[int, PriorityClass] = {
    resource_pb2.PRIORITY_CLASS_UNSPECIFIED: PriorityClass.MEDIUM,
    resource_pb2.PRIORITY_CLASS_HIGH: PriorityClass.HIGH,
    resource_pb2.PRIORITY_CLASS_MEDIUM: PriorityClass.MEDIUM,
    resource_pb2.PRIORITY_CLASS_LOW: PriorityClass.LOW,
}
_STATES: dict[int, WorkloadState] = {
    workload_pb2.WORKLOAD_STATE_QUEUED: WorkloadState.QUEUED,
    workload_pb2.WORKLOAD_STATE_RUNNING: WorkloadState.RUNNING,
    workload_pb2.WORKLOAD_STATE_FINISHED: WorkloadState.FINISHED,
    workload_pb2.WORKLOAD_STATE_CANCELLED: WorkloadState.CANCELLED,
    workload_pb2.WORKLOAD_STATE_REFUSED: WorkloadState.REFUSED,
    workload_pb2.WORKLOAD_STATE_PREEMPTED: WorkloadState.PREEMPTED,
}


def workload(message: workload_pb2.Workload, now: datetime, traceparent: str) -> Workload:
    """Returns the new workload that a message asks for; ``traceparent`` is used if it has none.

    Raises:
        InvalidArgument: FIELD_INVALID.
    """
    if message.ByteSize() > LARGEST_WORKLOAD:
        raise invalid("workload", f"at most {LARGEST_WORKLOAD} bytes")
    return Workload(
        spec=_spec(message, workload_id("workload.id", message.id)),
        program=_program(message),
        simulation=_simulation(message),
        traceparent=message.traceparent or traceparent,
        enqueued_at=now,
    )


def quoted_spec(message: workload_pb2.Workload) -> WorkloadSpec:
    """Returns what is to be quoted; unlike a workload that is queued it may be without an id.

    Raises:
        InvalidArgument: FIELD_INVALID.
    """
    if message.ByteSize() > LARGEST_WORKLOAD:
        raise invalid("workload", f"at most {LARGEST_WORKLOAD} bytes")
    return _spec(message, message.id and workload_id("workload.id", message.id))


def recommended_spec(request: scheduler_service_pb2.RecommendRequest) -> WorkloadSpec:
    """Returns the work that a provider is recommended for.

    Raises:
        InvalidArgument: FIELD_INVALID.
    """
    hours = request.estimated_hours or 1.0
    if not 0 < hours <= MOST_HOURS:
        raise invalid("estimated_hours", f"more than 0, up to {MOST_HOURS}")
    count = _within("gpu_count", request.gpu_count or 1, 1, MOST_DEVICES)
    return WorkloadSpec(
        id="",
        demand=Demand(gpu_type=name("gpu_type", request.gpu_type), count=count),
        estimated_duration=timedelta(hours=hours),
    )


def moment(message: Message, field: str) -> datetime | None:
    """Returns a time, None where it is not set; InvalidArgument unless it is a time of ours."""
    if not message.HasField(field):
        return None
    found: Timestamp = getattr(message, field)
    if not (0 <= found.seconds <= _LATEST and 0 <= found.nanos < 1_000_000_000):
        raise invalid(field, "a time from 1970 to 9999")
    return from_micros(found.seconds * 1_000_000 + found.nanos // 1_000)


def workload_id(field: str, text: str) -> str:
    """Returns a workload's id; InvalidArgument unless it has 1 to 128 printable characters."""
    if not (0 < len(text) <= LONGEST_ID and text.isprintable()):
        raise invalid(field, f"1 to {LONGEST_ID} printable characters")
    return text


def reason(text: str) -> str:
    """Returns why something is asked for; InvalidArgument for more than 1,000 characters."""
    if len(text) > LONGEST_REASON or "\0" in text:
        raise invalid("reason", f"at most {LONGEST_REASON} characters of text")
    return text


def count_of_items(field: str, count: int) -> None:
    """Raises InvalidArgument unless there are 1 to 1,000 items."""
    if not 0 < count <= MOST_ITEMS:
        raise invalid(field, f"1 to {MOST_ITEMS} items")


def page_size(size: int) -> int:
    """Returns how many to answer; InvalidArgument for a negative size."""
    if size < 0:
        raise invalid("page_size", "0 or more")
    return min(size or PAGE_SIZE, LARGEST_PAGE)


def page_scope(request: scheduler_service_pb2.ListWorkloadsRequest) -> str:
    """Returns what a page token is bound to: everything asked for but the page itself."""
    bare = scheduler_service_pb2.ListWorkloadsRequest()
    bare.CopyFrom(request)
    bare.ClearField("page_size")
    bare.ClearField("page_token")
    return f"ListWorkloads/{bare.SerializeToString(deterministic=True).hex()}"


def page_start(scope: str, page_token: str) -> int:
    """Returns the position to go on after; 0 for the first page."""
    last_key: Any = decode_page_token(scope, page_token, int)
    return last_key[0] if last_key else 0


def workload_filter(request: scheduler_service_pb2.ListWorkloadsRequest) -> WorkloadFilter:
    """Returns which workloads are asked for."""
    states = frozenset(_known("states", _STATES, state) for state in request.states)
    return WorkloadFilter(
        states=states,
        pool=name("pool", request.pool),
        owner_id=name("owner_id", request.owner_id),
        team=name("team", request.team),
        job_id=name("job_id", request.job_id),
        node_id=request.node_id,
    )


def name(field: str, text: str) -> str:
    """Returns a text that goes into a column of its own, where not every character may stand."""
    if text and not (len(text) <= LONGEST_NAME and text.isprintable()):
        raise invalid(field, f"at most {LONGEST_NAME} printable characters")
    return text


def _spec(message: workload_pb2.Workload, spec_id: str) -> WorkloadSpec:
    return WorkloadSpec(
        id=spec_id,
        job_id=name("workload.job_id", message.job_id),
        owner_id=name("workload.owner_id", message.owner_id),
        team=name("workload.team", message.team),
        name=message.name,
        attempt=_within("workload.attempt", message.attempt or 1, 1, MOST_AMOUNT),
        demand=_demand(message.resources),
        pool=name("workload.pool", message.pool),
        provider=message.provider,
        strategy=_known("workload.strategy", _STRATEGIES, message.strategy),
        priority_class=_known("workload.priority_class", _PRIORITY_CLASSES, message.priority_class),
        priority=_within("workload.priority", message.priority or 5, 1, 10),
        preemptible=message.preemptible,
        estimated_duration=_span(message, "estimated_duration"),
        max_runtime=_span(message, "max_runtime"),
        hourly_price_limit=_price_limit(message),
    )


def _price_limit(message: workload_pb2.Workload) -> Money | None:
    if not message.HasField("hourly_price_limit"):
        return None
    limit = message.hourly_price_limit
    _within("workload.hourly_price_limit.micros", limit.micros, 0, MOST_MICROS)
    if not _CURRENCY.fullmatch(limit.currency_code):
        raise invalid("workload.hourly_price_limit.currency_code", "three letters, as USD")
    return Money(limit.micros, limit.currency_code)


def _demand(message: resource_pb2.ResourceSpec) -> Demand:
    field = "workload.resources."
    demand = Demand(
        resource_type=_known(field + "resource_type", _RESOURCE_TYPES, message.resource_type),
        gpu_type=message.gpu_type,
        count=_within(field + "count", message.count or 1, 1, MOST_DEVICES),
        milli_per_device=_within(
            field + "milli_gpu_per_device", message.milli_gpu_per_device or WHOLE, 1, WHOLE
        ),
        memory_gb=_within(field + "memory_gb", message.memory_gb, 0, MOST_AMOUNT),
        vcpus=_within(field + "vcpus", message.vcpus, 0, MOST_AMOUNT),
        nodes=_within(field + "nodes", message.nodes or 1, 1, MOST_NODES),
        alternative_gpu_types=tuple(message.alternative_gpu_types),
        device_memory_gb=_within(
            field + "device_memory_gb", message.device_memory_gb, 0, MOST_AMOUNT
        ),
        node_labels=tuple(sorted(message.node_labels.items())),
    )
    if demand.milli_per_device < WHOLE and demand.devices != 1:
        raise invalid(field + "milli_gpu_per_device", f"{WHOLE} unless it is one device")
    return demand


def _program(message: workload_pb2.Workload) -> Program:
    if message.command and message.args:
        raise invalid("workload.args", "none beside a command")
    return Program(
        command=message.command,
        args=tuple(message.args),
        image=message.image,
        environment=tuple(sorted(message.environment.items())),
    )


def _simulation(message: workload_pb2.Workload) -> Simulation:
    simulation = message.simulation
    duration = _span(simulation, "duration", "workload.simulation.")
    exit_code = _within("workload.simulation.exit_code", simulation.exit_code, 0, 255)
    return Simulation(duration, exit_code)


def _span(
    message: workload_pb2.Workload | workload_pb2.Simulation, name: str, prefix: str = "workload."
) -> timedelta | None:
    if not message.HasField(name):  # type: ignore[arg-type]
        return None
    span: Duration = getattr(message, name)
    if not (0 <= span.seconds <= _LONGEST_SECONDS and 0 <= span.nanos < 1_000_000_000):
        raise invalid(prefix + name, "a span of 0 to 10 years")
    return wellknown.span(span)


def _within(field: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise invalid(field, f"{least} to {most}")
    return value


def _known(field: str, values: dict[int, T], number: int) -> T:
    value = values.get(number)
    if value is None:
        raise invalid(field, f"one of the contract's values, not {number}")
    return value
