"""Who may call what, as the contract says it; what it does not say is forbidden."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from servicekit.errors import Failure, PermissionDenied
from servicekit.identity import Identity, Role
from servicekit.relay import RELAY

AccessTable: TypeAlias = Mapping[str, frozenset[str]]
"""For each "/package.Service/Method" the roles that may call it, or PUBLIC; absent: nobody.

With EARLY among them also callers whose password has to be changed first.
"""

PUBLIC = "public"
EARLY = "before password change"

_CALLER_PREFIX = "CALLER_"
_HEALTH = ("Check", "List", "Watch")
_REFLECTION = (
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
)


def access_table(services: Iterable[ServiceDescriptor], extension: Any) -> AccessTable:
    """Reads the method option `extension` of each method.

    It is a message with `repeated <enum> allow` and `bool before_password_change`; the enum's
    values are CALLER_PUBLIC and CALLER_<ROLE>. A method without the option gets an empty set, so
    that nobody may call it.
    """
    return {
        f"/{service.full_name}/{method.name}": _allowed(method, extension)
        for service in services
        for method in service.methods
    }


def infrastructure_access(*, production: bool) -> AccessTable:
    """Returns who may call what every server has; in production reflection is for admins."""
    reflection = frozenset({Role.ADMIN if production else PUBLIC})
    table = {f"/grpc.health.v1.Health/{name}": frozenset({PUBLIC}) for name in _HEALTH}
    table[RELAY] = frozenset({Role.SERVICE})
    return table | dict.fromkeys(_REFLECTION, reflection)


def is_admitted(identity: Identity, allowed: frozenset[str]) -> bool:
    """Tells whether this caller is among the allowed."""
    return identity.role in allowed and (not identity.password_change_required or EARLY in allowed)


def refusal(identity: Identity, allowed: frozenset[str], method: str) -> Failure:
    """Returns why a caller is not admitted: ROLE_FORBIDDEN, or PASSWORD_CHANGE_REQUIRED."""
    if identity.role in allowed:
        return PermissionDenied(
            "the password has to be changed before anything else",
            reason="PASSWORD_CHANGE_REQUIRED",
        )
    return PermissionDenied(
        f"{method} is not open to the role {identity.role.value}",
        metadata={"role": identity.role.value, "allowed": ", ".join(sorted(allowed - {EARLY}))},
    )


def _allowed(method: MethodDescriptor, extension: Any) -> frozenset[str]:
    options = method.GetOptions()
    if not options.HasExtension(extension):
        return frozenset()
    names = extension.message_type.fields_by_name["allow"].enum_type.values_by_number
    access = options.Extensions[extension]
    roles = {_role(names[number].name) for number in access.allow}
    return frozenset(roles | {EARLY} if roles and access.before_password_change else roles)


def _role(caller: str) -> str:
    name = caller.removeprefix(_CALLER_PREFIX).lower()
    return name if name == PUBLIC else Role(name)
