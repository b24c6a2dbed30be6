"""Everything that only reads."""

from auth_service.application.ports import Directory, PasswordHasher
from auth_service.domain.errors import (
    AccessRevoked,
    CredentialsInvalid,
    UsernameInvalid,
)
from auth_service.domain.usernames import checked_username, username_key
from auth_service.domain.users import User


async def authenticate(
    directory: Directory, hasher: PasswordHasher, username: str, password: str
) -> User:
    """Returns the user whose name and password these are.

    A name that nobody has costs the same hash as a wrong password, so that the time does not tell.

    Raises:
        CredentialsInvalid: unknown name, wrong password, or a disabled user; never says which.
    """
    user = await _named(directory, username)
    matches = await hasher.matches(password, user.password_hash if user else None)
    if user is None or not matches or user.disabled:
        raise CredentialsInvalid
    return user


async def current_user(directory: Directory, user_id: str) -> User:
    """Returns the user that a verified token stands for.

    Raises:
        AccessRevoked: the user is disabled or gone.
    """
    user = await directory.get(user_id)
    if user is None:
        raise AccessRevoked
    user.check_access()
    return user


async def _named(directory: Directory, username: str) -> User | None:
    try:
        return await directory.named(username_key(checked_username(username)))
    except UsernameInvalid:
        return None
