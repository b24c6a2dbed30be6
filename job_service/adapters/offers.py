"""What is on offer, as one row, and the key that quotes are signed with."""

from functools import lru_cache

import msgspec
import sqlalchemy as sa

from job_service.adapters.tables import OFFERS, QUOTE_KEYS
from job_service.domain.offers import Offers
from servicekit.database import Database
from servicekit.transaction import Transaction

THE_ROW = 1

_encode = msgspec.json.Encoder(order="deterministic").encode
_decoder = msgspec.json.Decoder(Offers)


class SqlOffers:
    """What is on offer: one row, or none."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def get(self) -> Offers:
        """What was noted last."""
        row = self._transaction.get(OFFERS, THE_ROW)
        return _decoded(bytes(row["document"])) if row else Offers()

    def save(self, offers: Offers) -> None:
        """Puts what is on offer in the place of what was."""
        row = {"id": THE_ROW, "document": _encode(offers)}
        if self._transaction.get(OFFERS, THE_ROW) is None:
            self._transaction.insert(OFFERS, row)
        else:
            self._transaction.update(OFFERS, row)


class SqlQuoteKeys:
    """The key that quotes are signed with; the migration made it."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def get(self) -> bytes:
        """The key."""
        row = self._transaction.get(QUOTE_KEYS, THE_ROW)
        if row is None:
            raise LookupError("somebody deleted the key that the migration made")
        return bytes(row["key"])


class QuoteKeyReads:
    """Reads that key beside the writer."""

    _database: Database

    async def quote_key(self) -> bytes:
        """The key that quotes are signed with."""
        statement = sa.select(QUOTE_KEYS.c.key)
        return bytes(await self._database.read(lambda c: c.execute(statement).scalar_one()))


@lru_cache(maxsize=4)
def _decoded(document: bytes) -> Offers:
    """The offers of a document; every submit that a rule of costs decides asks for them."""
    return _decoder.decode(document)
