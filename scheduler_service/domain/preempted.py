"""Why a running workload lost its allocation."""

import enum


class PreemptionCause(enum.StrEnum):
    """Causes, as the service's log keeps them."""

    PRIORITY = "priority"
    RECLAIM = "reclaim"
    ORDER = "order"
    NODE_LOST = "node_lost"
    NODE_DRAINED = "node_drained"
