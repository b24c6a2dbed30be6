"""The simulated machines that a measurement runs on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

GPU_TYPE = "A100"

INVENTORY = """\
[pools.cluster]
environment = "production"
description = "Equal nodes, as many as the measurement asks for."

[[pools.cluster.nodes]]
count = {nodes}
gpu_type = "{gpu_type}"
devices = {gpus_per_node}
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Equal nodes in one pool, where `speed` virtual seconds pass in a real one."""

    nodes: int = 72
    gpus_per_node: int = 8
    speed: float = 1.0

    @property
    def inventory(self) -> str:
        """The inventory file's text."""
        return INVENTORY.format(
            nodes=self.nodes, gpu_type=GPU_TYPE, gpus_per_node=self.gpus_per_node
        )

    def settings(self, folder: Path) -> dict[str, str]:
        """Writes the inventory into `folder`; returns the scheduler's settings."""
        path = folder / "inventory.toml"
        path.write_text(self.inventory)
        return {
            "GPUAAS_SCHEDULER_INVENTORY": str(path),
            "GPUAAS_SCHEDULER_SIMULATION_SPEED": str(self.speed),
        }
