"""From submitted messages to specs: defaults, and a named refusal of whatever makes no sense."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from gpuaas.job.v1 import job_pb2, run_pb2
from gpuaas.job.v1 import job_service_pb2 as pb
from gpuaas.scheduler.v1 import resource_pb2, workload_pb2
from job_service.domain.dependencies import Condition, Dependency
from job_service.domain.offers import Places
from job_service.domain.runs import Fault, RetryRule
from job_service.domain.spec import (
    JobSpec,
    PriorityClass,
    ResourceSpec,
    ResourceType,
    Simulation,
    Strategy,
)
from job_service.entrypoints.decoding.specs import LARGEST_SPEC, job_spec
from job_service.entrypoints.decoding.submits import batch_specs, submitted_spec
from job_service.entrypoints.encoding.specs import write_spec
from servicekit.errors import Failure, InvalidArgument

KNOWN = frozenset({"A100", "T4"})
NOTHING_KNOWN: frozenset[str] = frozenset()
NAN, INFINITY = float("nan"), float("inf")

FULL = JobSpec(
    command="",
    args=("python", "train.py", ""),
    resources=ResourceSpec(
        resource_type=ResourceType.GPU,
        gpu_type="A100",
        count=8,
        memory_gb=256,
        vcpus=64,
        nodes=2,
        alternative_gpu_types=("T4",),
        device_memory_gb=40,
        node_labels={"zone": "b"},
    ),
    estimated_duration=timedelta(minutes=90),
    max_runtime=timedelta(hours=2, microseconds=1),
    name="bert",
    image="pytorch:2",
    environment={"EPOCHS": "3", "EMPTY": ""},
    pool="training",
    provider="runpod",
    strategy=Strategy.COST,
    priority_class=PriorityClass.HIGH,
    priority=10,
    preemptible=True,
    labels={"team": "vision", "empty": ""},
    simulation=Simulation(timedelta(seconds=5), exit_code=3),
    dependencies=(Dependency("j1"), Dependency("j2", Condition.AFTER_ANY)),
    array_size=7,
    retry=RetryRule(2, (Fault.USER, Fault.PLATFORM), timedelta(seconds=3)),
    not_before=datetime(2026, 3, 1, tzinfo=UTC),
)


def decoded(known: frozenset[str] = KNOWN, **fields: Any) -> JobSpec:
    """A spec of these fields, with a command unless there are arguments."""
    if "args" not in fields:
        fields.setdefault("command", "python train.py")
    return job_spec(job_pb2.JobSpec(**fields), "spec.", known)


def resources(**fields: Any) -> dict[str, Any]:
    """The fields of a spec that asks for these resources."""
    return {"resources": resource_pb2.ResourceSpec(**fields)}


def simulation(**fields: Any) -> dict[str, Any]:
    """The fields of a spec that is simulated so."""
    return {"simulation": workload_pb2.Simulation(**fields)}


def seconds(number: int, nanos: int = 0) -> Duration:
    """A duration."""
    return Duration(seconds=number, nanos=nanos)


def test_a_command_is_all_it_takes() -> None:
    """One GPU of any model for an hour, in the middle of the queue."""
    expected = JobSpec(
        command="python train.py",
        resources=ResourceSpec(),
        estimated_duration=timedelta(hours=1),
        max_runtime=timedelta(hours=1),
        name="python",
        priority_class=PriorityClass.MEDIUM,
        priority=5,
    )
    assert expected == decoded()


def test_what_is_answered_can_be_submitted_again() -> None:
    """Every field comes back as it went in."""
    message = job_pb2.JobSpec()
    write_spec(message, FULL)

    assert FULL == job_spec(message, "spec.", KNOWN)


def test_hours_are_another_word_for_the_estimate() -> None:
    """And the estimate is the limit where none is given."""
    spec = decoded(estimated_hours=0.5)
    assert timedelta(minutes=30) == spec.estimated_duration == spec.max_runtime


def test_a_limit_of_its_own_may_be_beyond_the_estimate() -> None:
    """The quota is reserved for the limit, since the run may take so long."""
    spec = decoded(estimated_hours=1, max_runtime=seconds(7200))
    assert (timedelta(hours=1), timedelta(hours=2)) == (spec.estimated_duration, spec.max_runtime)
    assert 7_200_000 == spec.reservation


def test_a_simulated_run_may_take_no_time() -> None:
    """Zero is a length; no length leaves it to the backend."""
    assert Simulation(timedelta(), 0) == decoded(**simulation(duration=seconds(0))).simulation
    assert Simulation(None, 7) == decoded(**simulation(exit_code=7)).simulation


def test_any_type_is_accepted_while_none_is_known() -> None:
    """The scheduler has the last word once it can be reached."""
    assert "H100" == decoded(NOTHING_KNOWN, **resources(gpu_type="H100")).resources.gpu_type


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"command": ""}, "command"),
        ({"command": "x", "args": ["x"]}, "command"),
        ({"command": "x" * 8193}, "command"),
        ({"command": "a\0b"}, "command"),
        ({"args": ["x" * 4097, "x" * 4097]}, "args"),
        ({"args": [""] * 8194}, "args"),
        ({"args": ["a\0b"]}, "args"),
        ({"name": "x" * 129}, "name"),
        ({"name": "a\0"}, "name"),
        ({"image": "x" * 513}, "image"),
        ({"pool": "x" * 129}, "pool"),
        ({"pool": "a\nb"}, "pool"),
        ({"provider": "x" * 129}, "provider"),
        ({"provider": "a\u2028b"}, "provider"),
        ({"environment": {"A": "x" * 16_384}}, "environment"),
        ({"environment": {"A": "\0"}}, "environment"),
        ({"strategy": 99}, "strategy"),
        ({"priority_class": 99}, "priority_class"),
        ({"priority": -1}, "priority"),
        ({"priority": 11}, "priority"),
        ({"labels": {str(number): "" for number in range(33)}}, "labels"),
        ({"labels": {"": "x"}}, "labels"),
        ({"labels": {"a=b": "x"}}, "labels"),
        ({"labels": {"a\0": "x"}}, "labels"),
        ({"labels": {"a": "\0"}}, "labels"),
        ({"labels": {"k" * 64: "x"}}, "labels"),
        ({"labels": {"k": "x" * 256}}, "labels"),
        ({"estimated_hours": -1.0}, "estimated_hours"),
        ({"estimated_hours": -INFINITY}, "estimated_hours"),
        ({"estimated_hours": INFINITY}, "estimated_hours"),
        ({"estimated_hours": NAN}, "estimated_hours"),
        ({"estimated_hours": 8785.0}, "estimated_hours"),
        ({"estimated_hours": 1e-9}, "estimated_hours"),
        ({"estimated_hours": 1.0, "estimated_duration": seconds(3600)}, "estimated_hours"),
        ({"estimated_duration": seconds(0)}, "estimated_duration"),
        ({"estimated_duration": seconds(-60)}, "estimated_duration"),
        ({"estimated_duration": seconds(0, 999_999_999)}, "estimated_duration"),
        ({"estimated_duration": seconds(366 * 86_400, 1000)}, "estimated_duration"),
        ({"estimated_duration": seconds(2**62)}, "estimated_duration"),
        ({"estimated_duration": seconds(-(2**63))}, "estimated_duration"),
        ({"max_runtime": seconds(0)}, "max_runtime"),
        (simulation(duration=seconds(-1)), "simulation.duration"),
        (simulation(exit_code=256), "simulation.exit_code"),
        (simulation(exit_code=-1), "simulation.exit_code"),
        (resources(resource_type=9), "resources.resource_type"),
        (resources(count=-1), "resources.count"),
        (resources(count=1001), "resources.count"),
        (resources(milli_gpu_per_device=1001), "resources.milli_gpu_per_device"),
        (resources(milli_gpu_per_device=-1), "resources.milli_gpu_per_device"),
        (resources(milli_gpu_per_device=500, count=2), "resources.milli_gpu_per_device"),
        (
            resources(milli_gpu_per_device=999, resource_type=resource_pb2.RESOURCE_TYPE_CPU),
            "resources.milli_gpu_per_device",
        ),
        (resources(memory_gb=-1), "resources.memory_gb"),
        (resources(memory_gb=65_537), "resources.memory_gb"),
        (resources(vcpus=-1), "resources.vcpus"),
        (resources(vcpus=4097), "resources.vcpus"),
        (resources(nodes=-1), "resources.nodes"),
        (resources(nodes=1025), "resources.nodes"),
        (resources(device_memory_gb=-1), "resources.device_memory_gb"),
        (resources(node_labels={"a=b": ""}), "resources.node_labels"),
        (resources(alternative_gpu_types=["A100"] * 17), "resources.alternative_gpu_types"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_path(fields: dict[str, Any], field: str) -> None:
    """The refusal names the field and says what was expected."""
    with pytest.raises(InvalidArgument) as refused:
        decoded(**fields)
    assert "FIELD_INVALID" == refused.value.reason
    assert [f"spec.{field}"] == [violation.field for violation in refused.value.violations]
    assert refused.value.message.startswith(f"spec.{field}: expected ")


def test_a_spec_has_a_size_in_bytes() -> None:
    """Every text may be short enough in characters, and all of them too long in UTF-8."""
    environment = {"A": "\N{EXTRATERRESTRIAL ALIEN}" * 12_000}
    fitting = job_pb2.JobSpec(command="x", environment=environment, labels={"a": ""})
    room = LARGEST_SPEC - fitting.ByteSize() - 1  # A longer text takes a byte more to say so.
    fitting.command = "x" * (room + 1)
    assert LARGEST_SPEC == fitting.ByteSize()
    assert environment == job_spec(fitting, "spec.", KNOWN).environment

    fitting.command += "x"
    with pytest.raises(InvalidArgument, match=r"spec: expected at most 49152 bytes") as refused:
        job_spec(fitting, "spec.", KNOWN)
    assert {"field": "spec"} == refused.value.metadata


@pytest.mark.parametrize("gpu_type", ["x" * 65, "a\0b"])
def test_a_type_that_no_database_holds_is_refused(gpu_type: str) -> None:
    """Also while no type is known."""
    with pytest.raises(InvalidArgument) as refused:
        decoded(NOTHING_KNOWN, **resources(gpu_type=gpu_type))
    assert {"field": "spec.resources.gpu_type"} == refused.value.metadata


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        (resources(gpu_type="H100"), "gpu_type"),
        (resources(gpu_type="a100"), "gpu_type"),
        (
            resources(gpu_type="A100", alternative_gpu_types=["T4", "H100"]),
            "alternative_gpu_types[1]",
        ),
    ],
)
def test_an_unknown_type_is_refused_with_those_that_are_known(
    fields: dict[str, Any], field: str
) -> None:
    """So that the next attempt needs no guess."""
    with pytest.raises(InvalidArgument) as refused:
        decoded(**fields)
    assert "GPU_TYPE_UNKNOWN" == refused.value.reason
    expected = {"field": f"spec.resources.{field}", "known": "A100,T4"}
    assert expected == refused.value.metadata
    assert [f"spec.resources.{field}"] == [it.field for it in refused.value.violations]


AFTER_ANY = job_pb2.Dependency.CONDITION_AFTER_ANY


def test_a_spec_says_what_its_job_waits_for_and_how_often_it_is_tried() -> None:
    """Conditions and pauses have defaults; a job that is named twice counts once."""
    spec = decoded(
        dependencies=[
            job_pb2.Dependency(job_id="j1"),
            job_pb2.Dependency(job_id="j2", condition=AFTER_ANY),
            job_pb2.Dependency(job_id="j1", condition=job_pb2.Dependency.CONDITION_AFTER_OK),
        ],
        retry=job_pb2.RetryRule(max_retries=2, on_fault=[run_pb2.FAULT_PARTY_USER]),
        not_before={"seconds": 1},
        array_size=3,
    )
    assert (Dependency("j1"), Dependency("j2", Condition.AFTER_ANY)) == spec.dependencies
    assert RetryRule(2, (Fault.USER,), timedelta(seconds=10)) == spec.retry
    assert datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC) == spec.not_before
    assert 3 == spec.array_size


def test_an_empty_rule_for_retries_covers_the_platforms_faults() -> None:
    """None at all leaves it to the installation."""
    assert RetryRule(0, (Fault.PLATFORM,)) == decoded(retry=job_pb2.RetryRule()).retry
    assert decoded().retry is None


TWO_MINDS = [job_pb2.Dependency(job_id="j", condition=AFTER_ANY), job_pb2.Dependency(job_id="j")]
COURSES: list[tuple[dict[str, Any], str]] = [
    ({"array_size": -1}, "array_size"),
    ({"array_size": 1001}, "array_size"),
    ({"retry": job_pb2.RetryRule(max_retries=11)}, "retry.max_retries"),
    ({"retry": job_pb2.RetryRule(max_retries=-1)}, "retry.max_retries"),
    ({"retry": job_pb2.RetryRule(on_fault=[run_pb2.FAULT_PARTY_UNSPECIFIED])}, "retry.on_fault"),
    ({"retry": job_pb2.RetryRule(backoff=Duration(seconds=3601))}, "retry.backoff"),
    ({"retry": job_pb2.RetryRule(backoff=Duration(seconds=-1))}, "retry.backoff"),
    ({"dependencies": [job_pb2.Dependency()]}, "dependencies[0].job_id"),
    ({"dependencies": [job_pb2.Dependency(job_id="j", batch_index=0)]}, "dependencies[0].job_id"),
    ({"dependencies": [job_pb2.Dependency(batch_index=0)]}, "dependencies[0].batch_index"),
    ({"dependencies": TWO_MINDS}, "dependencies[1]"),
    ({"dependencies": [job_pb2.Dependency(job_id=f"j{it}") for it in range(101)]}, "dependencies"),
    ({"not_before": {"seconds": 1 << 60}}, "not_before"),
]


@pytest.mark.parametrize(("fields", "field"), COURSES)
def test_a_course_without_sense_is_refused_and_named(fields: dict[str, Any], field: str) -> None:
    """The refusal names the field by its path."""
    with pytest.raises(InvalidArgument) as refused:
        decoded(**fields)
    assert {"field": f"spec.{field}"} == refused.value.metadata


def test_an_array_of_one_is_a_job() -> None:
    """The contract says so."""
    assert decoded() == decoded(array_size=1)


PLACES = Places(frozenset({"training"}), frozenset({"local"}))


@pytest.mark.parametrize("kind", ["pool", "provider"])
def test_only_places_that_there_are_can_be_named(kind: str) -> None:
    """Once any are known; the refusal names the field and those that there are."""
    asked = pb.SubmitJobRequest(command="x")
    setattr(asked, kind, "nowhere")
    with pytest.raises(InvalidArgument) as refused:
        submitted_spec(asked, KNOWN, None, PLACES)
    known = "training" if kind == "pool" else "local"
    assert f"{kind.upper()}_UNKNOWN" == refused.value.reason
    assert {"field": f"spec.{kind}", "known": known} == refused.value.metadata
    assert "nowhere" == getattr(submitted_spec(asked, KNOWN), kind)
    setattr(asked, kind, known)
    assert known == getattr(submitted_spec(asked, KNOWN, None, PLACES), kind)


def test_a_batch_tells_sense_from_nonsense_by_item() -> None:
    """Each spec stands at its place, each refusal names the place."""
    specs = [
        job_pb2.JobSpec(command="x"),
        job_pb2.JobSpec(command="x", estimated_hours=-1),
        job_pb2.JobSpec(command="x", dependencies=[job_pb2.Dependency(batch_index=3)]),
    ]
    good, negative, late = batch_specs(pb.BatchSubmitJobsRequest(specs=specs), KNOWN)
    assert decoded(command="x") == good
    assert isinstance(negative, Failure)
    assert {"field": "specs[1].estimated_hours"} == negative.metadata
    assert isinstance(late, InvalidArgument)
    assert {"field": "specs[2].dependencies[0].batch_index"} == late.metadata


@pytest.mark.parametrize("count", [0, 1001])
def test_a_batch_has_up_to_a_thousand_items(count: int) -> None:
    """And at least one."""
    request = pb.BatchSubmitJobsRequest(specs=[job_pb2.JobSpec(command="x")] * count)
    with pytest.raises(InvalidArgument) as refused:
        batch_specs(request, KNOWN)
    assert {"field": "specs"} == refused.value.metadata


def test_the_jobs_of_a_batchs_arrays_are_counted_singly() -> None:
    """A thousand of them at most."""
    specs = [job_pb2.JobSpec(command="x", array_size=500)] * 2
    assert 2 == len(batch_specs(pb.BatchSubmitJobsRequest(specs=specs), KNOWN))
    specs.append(job_pb2.JobSpec(command="x"))
    with pytest.raises(InvalidArgument) as refused:
        batch_specs(pb.BatchSubmitJobsRequest(specs=specs), KNOWN)
    assert {"field": "specs"} == refused.value.metadata


def test_a_run_without_a_maximum_may_be_let_finish() -> None:
    """Where the installation says so: it holds its estimate, and no longer stops at it."""
    request = pb.SubmitJobRequest(command="x", estimated_hours=2.0)
    longest = timedelta(hours=24)
    open_ended = submitted_spec(request, KNOWN, longest)
    assert (True, longest, timedelta(hours=2)) == (
        open_ended.overruns,
        open_ended.max_runtime,
        open_ended.estimated_duration,
    )
    assert submitted_spec(request, KNOWN).reservation == open_ended.reservation
    request.spec.max_runtime.FromTimedelta(timedelta(hours=3))
    bounded = submitted_spec(request, KNOWN, longest)
    assert (False, timedelta(hours=3)) == (bounded.overruns, bounded.max_runtime)
