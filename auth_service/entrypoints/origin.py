"""Where a call comes from, as the audit log tells it."""

from auth_service.domain.audit import Origin
from servicekit.call import current_call


def origin() -> Origin:
    """Returns who makes the call being served, under which id, and from where."""
    call = current_call()
    identity = call.identity
    return Origin(
        actor_id=identity.subject if identity else "",
        actor=identity.username if identity else "",
        request_id=call.request_id,
        address=call.address,
    )
