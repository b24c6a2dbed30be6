"""What goes to the writer's process arrives as it was, for every service's values."""

import pickle
import pickletools
from datetime import timedelta

import pytest

from job_service.domain.approval import default_rules
from job_service.domain.spec import JobSpec, ResourceSpec
from scheduler_service.domain.resources import Demand
from scheduler_service.domain.spec import WorkloadSpec
from servicekit import travel

HOUR = timedelta(hours=1)
VALUES = [
    JobSpec("python a.py", ResourceSpec(gpu_type="A100"), HOUR, HOUR, labels={"a": "b"}),
    WorkloadSpec(id="1", demand=Demand(count=2)),
    default_rules(5, 0),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda it: type(it).__name__)
def test_a_value_arrives_as_it_was(value: object) -> None:
    """Equal, of the same type, whether its arguments go by place or by name."""
    travel.prepare("job_service")
    travel.prepare("scheduler_service")

    assert value == pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("value", VALUES, ids=lambda it: type(it).__name__)
def test_no_state_is_taken_apart(value: object) -> None:
    """The class and its values travel; setting a state value by value is what takes long."""
    travel.prepare("job_service")
    travel.prepare("scheduler_service")

    assert "BUILD" not in {code.name for code, _, _ in pickletools.genops(pickle.dumps(value))}
