"""What a user asks for. A spec never changes once its job exists."""

from datetime import datetime, timedelta
from enum import StrEnum

from job_service.domain.dependencies import Dependency
from job_service.domain.quantity import held_for
from job_service.domain.runs import RetryRule
from servicekit.values import Value, field

WHOLE_DEVICE = 1000


class ResourceType(StrEnum):
    """The kind of device."""

    GPU = "GPU"
    CPU = "CPU"
    NPU = "NPU"
    TPU = "TPU"


class PriorityClass(StrEnum):
    """The coarse order of the queue."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class Strategy(StrEnum):
    """What to prefer where several providers could run the job."""

    COST = "COST"
    PERFORMANCE = "PERFORMANCE"
    AVAILABILITY = "AVAILABILITY"
    BALANCED = "BALANCED"


class ResourceSpec(Value, frozen=True):
    """Devices on each of ``nodes`` nodes: ``count`` of them, ``milli_gpu_per_device`` of each."""

    resource_type: ResourceType = ResourceType.GPU
    gpu_type: str = ""
    count: int = 1
    milli_gpu_per_device: int = WHOLE_DEVICE
    memory_gb: int = 0
    vcpus: int = 0
    nodes: int = 1
    alternative_gpu_types: tuple[str, ...] = ()
    device_memory_gb: int = 0
    node_labels: dict[str, str] = field(default_factory=dict)

    @property
    def milli_gpu(self) -> int:
        """Milli-GPUs on all nodes together; 0 for a job that needs no GPU."""
        if self.resource_type is not ResourceType.GPU:
            return 0
        return self.nodes * self.count * self.milli_gpu_per_device

    @property
    def milli_devices(self) -> int:
        """Thousandths of devices of any kind; 0 for a job that needs processor cores only."""
        if self.resource_type is ResourceType.CPU:
            return 0
        return self.nodes * self.count * self.milli_gpu_per_device


class Simulation(Value, frozen=True):
    """How long the job runs and how it exits where execution is simulated."""

    duration: timedelta | None = None
    exit_code: int = 0


class JobSpec(Value, frozen=True):
    """A job as it was asked for, defaults filled in.

    Attributes:
        max_runtime: when a run is stopped.
        overruns: whether it may outlast its estimate, which alone it holds quota for.
        array_size: how many jobs were asked for at once; 0 for one that stands alone.
        retry: when a failed run is tried again; None leaves it to the installation.
    """

    command: str
    resources: ResourceSpec
    estimated_duration: timedelta
    max_runtime: timedelta
    name: str = ""
    args: tuple[str, ...] = ()
    image: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    pool: str = ""
    provider: str = ""
    strategy: Strategy | None = None
    priority_class: PriorityClass = PriorityClass.MEDIUM
    priority: int = 5
    preemptible: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    simulation: Simulation | None = None
    dependencies: tuple[Dependency, ...] = ()
    array_size: int = 0
    retry: RetryRule | None = None
    not_before: datetime | None = None
    overruns: bool = False

    @property
    def reservation(self) -> int:
        """Milli-GPU-seconds that a run can use at most: it is stopped at ``max_runtime``.

        Of one that ``overruns`` what it is expected to use; more is billed when it ends.
        """
        length = self.estimated_duration if self.overruns else self.max_runtime
        return held_for(self.resources.milli_gpu, length)
