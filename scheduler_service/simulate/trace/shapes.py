"""What jobs of traces ask for, as shapes of the engine."""

from functools import cache

from scheduler_service.domain.scheduling.requests import Shape


@cache
def whole(gpus: int, node_gpus: int) -> Shape:
    """Whole GPUs, on one node while it has as many, else on as few nodes as possible."""
    return Shape(devices=gpus, split=gpus > node_gpus)
