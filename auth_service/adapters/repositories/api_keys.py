"""API keys and what is counted of failed attempts, as rows."""

from collections.abc import Sequence

from auth_service.adapters.rows import api_key_of, api_key_row, tally_of, tally_row
from auth_service.adapters.tables import API_KEYS, TALLIES
from auth_service.domain.api_keys import ApiKey
from auth_service.domain.guessing import Tally
from servicekit.transaction import Transaction


class SqlApiKeys:
    """What the application's ApiKeys promises."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def get(self, api_key_id: str) -> ApiKey | None:
        """Returns the key of this id."""
        row = self._transaction.get(API_KEYS, api_key_id)
        return api_key_of(row) if row else None

    def of(self, user_id: str) -> list[ApiKey]:
        """Returns all keys of a user that are kept, also those that are over."""
        query = API_KEYS.select().where(API_KEYS.c.user_id == user_id)
        return [api_key_of(row) for row in self._transaction.select(query)]

    def add(self, key: ApiKey) -> None:
        """Adds a key whose id and secret no other key has."""
        self._transaction.insert(API_KEYS, api_key_row(key))

    def replace(self, key: ApiKey) -> None:
        """Puts a key in the place of the one with the same id."""
        self._transaction.update(API_KEYS, api_key_row(key))


class SqlTallies:
    """What the application's Tallies promises."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def get(self, keys: Sequence[str]) -> dict[str, Tally]:
        """Returns the tallies that these keys have."""
        self._transaction.load(TALLIES, keys)
        rows = {key: self._transaction.get(TALLIES, key) for key in keys}
        return {key: tally_of(row) for key, row in rows.items() if row}

    def put(self, key: str, tally: Tally) -> None:
        """Stores the tally of a key."""
        row = tally_row(key, tally)
        if self._transaction.get(TALLIES, key) is None:
            self._transaction.insert(TALLIES, row)
        else:
            self._transaction.update(TALLIES, row)
