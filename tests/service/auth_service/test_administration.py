"""What admins do, over a true server."""

import asyncio
from uuid import uuid4

import pytest

from auth_service.adapters.tables import AUDIT_EVENTS
from gpuaas.auth.v1 import audit_event_pb2, user_pb2
from gpuaas.auth.v1 import auth_service_pb2 as pb
from servicekit.errors import Kind
from tests.service.auth_service.conftest import House, bearer, failure_of, stored

Action = audit_event_pb2.AuditEvent
NOBODY = "01890000-0000-7000-8000-000000000000"


async def names(house: House, **conditions: object) -> list[str]:
    """The users that a list gives, page by page, two at a time."""
    metadata, found, token = await house.minding(), [], ""
    while True:
        request = pb.ListUsersRequest(page_size=2, page_token=token, **conditions)  # type: ignore[arg-type]
        page = await house.stub.ListUsers(request, metadata=metadata)
        found += [user.username for user in page.users]
        token = page.next_page_token
        if not token:
            return found


async def test_users_are_listed_by_name_and_condition(house: House) -> None:
    """Each condition alone and all together; the pages join without a gap or a double."""
    ids = {name: (await house.register(name)).user.id for name in ("Ada", "adam", "bob")}
    metadata = await house.minding()
    request = pb.UpdateUserRequest(user_id=ids["adam"], team="engines", disabled=True)
    await house.stub.UpdateUser(request, metadata=metadata)
    everybody = ["Ada", "adam", "admin", "bob", "gateway", "job-service", "scheduler-service"]
    assert everybody == await names(house)
    assert ["admin"] == await names(house, role=user_pb2.ROLE_ADMIN)
    assert ["adam"] == await names(house, team="engines")
    assert ["adam"] == await names(house, disabled=True)
    assert everybody[:1] + everybody[2:] == await names(house, disabled=False)
    assert ["Ada", "adam"] == await names(house, username_prefix="ADA")
    assert [] == await names(house, username_prefix="ada", team="engines", disabled=False)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"page_size": -1}, "FIELD_INVALID"),
        ({"page_token": "made up"}, "PAGE_TOKEN_INVALID"),
        ({"role": 99}, "FIELD_INVALID"),
        ({"team": "a\0"}, "FIELD_INVALID"),
    ],
)
async def test_a_list_without_sense_is_refused(
    house: House, fields: dict[str, object], reason: str
) -> None:
    """With the reason of the contract."""
    call = house.stub.ListUsers(pb.ListUsersRequest(**fields), metadata=await house.minding())  # type: ignore[arg-type]
    failure = await failure_of(call)
    assert (Kind.INVALID_ARGUMENT, reason) == (failure.kind, failure.reason)


async def test_a_page_belongs_to_its_filter(house: House) -> None:
    """A token of one list gives nothing of another."""
    metadata = await house.minding()
    page = await house.stub.ListUsers(pb.ListUsersRequest(page_size=1), metadata=metadata)
    request = pb.ListUsersRequest(page_token=page.next_page_token, team="engines")
    failure = await failure_of(house.stub.ListUsers(request, metadata=metadata))
    assert "PAGE_TOKEN_INVALID" == failure.reason


async def test_one_user_is_shown_to_admins_and_services(house: House) -> None:
    """Nobody is NOT_FOUND."""
    ada = (await house.register()).user
    for metadata in (await house.minding(), await house.a_service()):
        answer = await house.stub.GetUser(pb.GetUserRequest(user_id=ada.id), metadata=metadata)
        assert ada == answer.user
        failure = await failure_of(
            house.stub.GetUser(pb.GetUserRequest(user_id=NOBODY), metadata=metadata)
        )
        assert (Kind.NOT_FOUND, "USER_NOT_FOUND") == (failure.kind, failure.reason)


async def test_a_change_shows_and_counts_at_once(house: House) -> None:
    """In the record and in what the user may do; a repeat gets the first answer."""
    ada = (await house.register()).user
    old = (await house.login()).access_token
    metadata = await house.minding()
    request = pb.UpdateUserRequest(
        user_id=ada.id,
        role=user_pb2.ROLE_ADMIN,
        team="engines",
        email="ada@example.org",
        reason="promoted",
        request_id=str(uuid4()),
    )
    user = (await house.stub.UpdateUser(request, metadata=metadata)).user
    assert (True, "engines", "ada@example.org") == (user.is_admin, user.team, user.email)
    assert user == (await house.stub.UpdateUser(request, metadata=metadata)).user
    assert "TOKEN_REVOKED" == (await failure_of(house.current_user(old))).reason
    token = (await house.login()).access_token
    await house.stub.ListUsers(pb.ListUsersRequest(), metadata=bearer(token))
    request.team = "another"
    failure = await failure_of(house.stub.UpdateUser(request, metadata=metadata))
    assert "REQUEST_ID_REUSED" == failure.reason


async def test_another_team_needs_no_new_login(house: House) -> None:
    """The old access token is refused; the refresh token gives one that says it."""
    ada = (await house.register()).user
    login = await house.login()
    request = pb.UpdateUserRequest(user_id=ada.id, team="engines")
    await house.stub.UpdateUser(request, metadata=await house.minding())
    assert "TOKEN_REVOKED" == (await failure_of(house.current_user(login.access_token))).reason
    answer = await house.stub.RefreshToken(
        pb.RefreshTokenRequest(refresh_token=login.refresh_token)
    )
    assert "engines" == answer.user.team
    await house.current_user(answer.access_token)


async def test_a_disabled_user_is_out_until_it_is_enabled(house: House) -> None:
    """Tokens from before stay dead; a new login works again."""
    ada = (await house.register()).user
    login = await house.login()
    await house.disable(ada.id)
    assert "TOKEN_REVOKED" == (await failure_of(house.current_user(login.access_token))).reason
    refresh = pb.RefreshTokenRequest(refresh_token=login.refresh_token)
    assert "REFRESH_TOKEN_INVALID" == (await failure_of(house.stub.RefreshToken(refresh))).reason
    assert "CREDENTIALS_INVALID" == (await failure_of(house.login())).reason
    await house.disable(ada.id, disabled=False)
    assert "TOKEN_REVOKED" == (await failure_of(house.current_user(login.access_token))).reason
    await house.current_user((await house.login()).access_token)


async def test_the_last_admin_cannot_lock_everybody_out(house: House) -> None:
    """Neither itself nor, of two who go for each other, both; the refusal is audited."""
    metadata = await house.minding()
    [admin] = (
        await house.stub.ListUsers(pb.ListUsersRequest(role=user_pb2.ROLE_ADMIN), metadata=metadata)
    ).users
    for change in ({"disabled": True}, {"role": user_pb2.ROLE_USER}):
        request = pb.UpdateUserRequest(user_id=admin.id, **change)
        failure = await failure_of(house.stub.UpdateUser(request, metadata=metadata))
        assert (Kind.FAILED_PRECONDITION, "LAST_ADMIN") == (failure.kind, failure.reason)
    [latest, *_] = await audit(house, target=admin.id)
    assert (Action.OUTCOME_REFUSED, "LAST_ADMIN") == (latest.outcome, latest.reason)

    eve = (await house.register("eve")).user
    promote = pb.UpdateUserRequest(user_id=eve.id, role=user_pb2.ROLE_ADMIN)
    await house.stub.UpdateUser(promote, metadata=metadata)
    eves = bearer((await house.login("eve")).access_token)
    answers = await asyncio.gather(
        house.stub.UpdateUser(
            pb.UpdateUserRequest(user_id=eve.id, disabled=True), metadata=metadata
        ),
        house.stub.UpdateUser(pb.UpdateUserRequest(user_id=admin.id, disabled=True), metadata=eves),
        return_exceptions=True,
    )
    assert 1 == sum(isinstance(answer, pb.UpdateUserResponse) for answer in answers)


async def test_sessions_are_revoked(house: House) -> None:
    """All of a user's, who can sign in again; of nobody, NOT_FOUND."""
    ada = (await house.register()).user
    logins = [await house.login() for _ in range(3)]
    metadata = await house.minding()
    request = pb.RevokeSessionsRequest(user_id=ada.id, reason="lost a laptop")
    assert 3 == (await house.stub.RevokeSessions(request, metadata=metadata)).ended_sessions
    for login in logins:
        reason = (await failure_of(house.current_user(login.access_token))).reason
        assert "TOKEN_REVOKED" == reason
    await house.current_user((await house.login()).access_token)
    request = pb.RevokeSessionsRequest(user_id=NOBODY)
    failure = await failure_of(house.stub.RevokeSessions(request, metadata=metadata))
    assert "USER_NOT_FOUND" == failure.reason


async def audit(house: House, **conditions: object) -> list[audit_event_pb2.AuditEvent]:
    """The audit events that match, newest first, read three at a time."""
    metadata, found, token = await house.minding(), [], ""
    while True:
        request = pb.ListAuditEventsRequest(page_size=3, page_token=token, **conditions)  # type: ignore[arg-type]
        page = await house.stub.ListAuditEvents(request, metadata=metadata)
        found += list(page.audit_events)
        token = page.next_page_token
        if not token:
            return found


async def test_what_happened_to_a_user_can_be_told(house: House) -> None:
    """Who did what, from where, under which request, with which outcome, in one chain."""
    ada = (await house.register()).user
    await failure_of(house.login(password="wrong"))
    login = await house.login()
    request = pb.UpdateUserRequest(user_id=ada.id, team="engines", reason="moved")
    metadata = [*await house.minding(), ("x-request-id", "request-7")]
    await house.stub.UpdateUser(request, metadata=metadata)
    events = await audit(house, target=ada.id)
    told = [(it.action, it.outcome, it.actor) for it in events]
    expected = [
        (Action.ACTION_UPDATE_USER, Action.OUTCOME_SUCCEEDED, "admin"),
        (Action.ACTION_LOGIN, Action.OUTCOME_SUCCEEDED, "Ada"),
        (Action.ACTION_LOGIN, Action.OUTCOME_REFUSED, ""),
        (Action.ACTION_REGISTER, Action.OUTCOME_SUCCEEDED, ""),
    ]
    assert expected == told
    assert ("moved", "request-7") == (events[0].reason, events[0].request_id)
    assert {"team": "default -> engines"} == dict(events[0].changes)
    assert {"127.0.0.1"} == {event.address for event in events}
    assert 2 == len(await audit(house, action=Action.ACTION_LOGIN, target=ada.id))
    assert ["Ada"] == [it.actor for it in await audit(house, actor_id=ada.id)]
    everything = await audit(house)
    count = len(everything)
    assert list(range(count, 0, -1)) == [event.sequence for event in everything]
    assert count == len({event.hash for event in everything})
    assert login.access_token not in repr(await stored(house, AUDIT_EVENTS))
