"""Who may call what is read from the contract; what it does not say is forbidden."""

import pytest

from servicekit.errors import PermissionDenied
from servicekit.identity import Identity, Role
from servicekit.interceptors import PUBLIC, access_table
from servicekit.interceptors.access import check_role, infrastructure_access
from tests.service.servicekit.echo import ACCESS, SERVICE, path
from tests.unit.servicekit.test_identity import NOW

REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


def test_the_table_says_what_the_contract_says() -> None:
    """One entry for each method, also for the one that the contract forgot."""
    table = access_table([SERVICE], ACCESS)
    assert {path(method.name) for method in SERVICE.methods} == set(table)
    assert {"user", "admin"} == table[path("Say")]
    assert {PUBLIC} == table[path("Greet")]
    assert frozenset() == table[path("Forgotten")]


@pytest.mark.parametrize("role", Role)
def test_only_the_listed_roles_pass(role: Role) -> None:
    """An admin is not a user unless the contract lists both."""
    identity = Identity("u-1", "ada", role, "", "t-1", NOW)
    if role is Role.USER:
        check_role(identity, frozenset({"user"}), "/a.B/C")
    else:
        with pytest.raises(PermissionDenied, match=f"not open to the role {role.value}"):
            check_role(identity, frozenset({"user"}), "/a.B/C")


def test_reflection_is_open_in_development_and_for_admins_in_production() -> None:
    """Health is open everywhere, for a probe has no token."""
    assert {PUBLIC} == infrastructure_access(production=False)[REFLECTION]
    production = infrastructure_access(production=True)
    assert {"admin"} == production[REFLECTION]
    assert {PUBLIC} == production["/grpc.health.v1.Health/Check"]
