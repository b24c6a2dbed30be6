"""Who may call what is read from the contract; what it does not say is forbidden."""

import pytest

from servicekit.errors import Kind
from servicekit.identity import Identity, Role
from servicekit.interceptors import PUBLIC, access_table
from servicekit.interceptors.access import EARLY, infrastructure_access, is_admitted, refusal
from tests.service.servicekit.echo import ACCESS, SERVICE, path
from tests.unit.servicekit.test_identity import NOW

REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


def test_the_table_says_what_the_contract_says() -> None:
    """One entry for each method, also for the one that the contract forgot."""
    table = access_table([SERVICE], ACCESS)
    assert {path(method.name) for method in SERVICE.methods} == set(table)
    assert {"user", "admin"} == table[path("Say")]
    assert {PUBLIC} == table[path("Greet")]
    assert {"user", "admin", EARLY} == table[path("Change")]
    assert frozenset() == table[path("Forgotten")]


@pytest.mark.parametrize("role", Role)
def test_only_the_listed_roles_pass(role: Role) -> None:
    """An admin is not a user unless the contract lists both."""
    identity = Identity("u-1", "ada", role, "", "t-1", NOW)
    allowed = frozenset({"user"})
    assert (role is Role.USER) == is_admitted(identity, allowed)
    if role is not Role.USER:
        failure = refusal(identity, allowed, "/a.B/C")
        assert "ROLE_FORBIDDEN" == failure.reason
        assert f"not open to the role {role.value}" in failure.message


def test_before_a_password_change_only_early_methods_are_open() -> None:
    """A one-time password opens what changes it, and nothing else."""
    identity = Identity("u-1", "ada", Role.USER, "", "t-1", NOW, password_change_required=True)
    assert not is_admitted(identity, frozenset({"user"}))
    failure = refusal(identity, frozenset({"user"}), "/a.B/C")
    assert (Kind.PERMISSION_DENIED, "PASSWORD_CHANGE_REQUIRED") == (failure.kind, failure.reason)
    assert is_admitted(identity, frozenset({"user", EARLY}))
    assert not is_admitted(identity, frozenset({"admin", EARLY}))


def test_reflection_is_open_in_development_and_for_admins_in_production() -> None:
    """Health is open everywhere, for a probe has no token."""
    assert {PUBLIC} == infrastructure_access(production=False)[REFLECTION]
    production = infrastructure_access(production=True)
    assert {"admin"} == production[REFLECTION]
    assert {PUBLIC} == production["/grpc.health.v1.Health/Check"]
