"""What alembic runs: the steps between the versions, over this service's tables."""

from auth_service.adapters.tables import METADATA
from servicekit.migrations import migrate

migrate(METADATA)
