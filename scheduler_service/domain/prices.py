"""What devices cost: exact whole millionths of one currency, for one device and one hour."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from scheduler_service.domain.resources import WHOLE, Placement
from servicekit.values import Value, field

_HOUR_US = 3_600_000_000
_MICROSECOND = timedelta(microseconds=1)


class Money(Value, frozen=True):
    """An amount in millionths of a currency, which is named by three letters of ISO 4217."""

    micros: int
    currency: str


class PriceList(Value, frozen=True):
    """The prices of one whole device for one hour, by provider and device model.

    Attributes:
        hourly: millionths; what is absent has no price that is known.
    """

    currency: str = "USD"
    hourly: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def of(self, provider: str, model: str) -> Money | None:
        """The price of a model at a provider; None when it is not known."""
        micros = self.hourly.get((provider, model))
        return None if micros is None else Money(micros, self.currency)

    def at(self, placement: Placement) -> Money | None:
        """The price of each device of a placement; None where it is not known or has none.

        All nodes of one run have the same provider and device model.
        """
        part = placement.slices[0]
        return self.of(placement.provider, part.gpu_type) if part.devices else None

    def range(self, kinds: Iterable[tuple[str, str]]) -> tuple[Money, Money] | None:
        """The lowest and the highest price of some kinds; None unless all are known."""
        prices = [self.of(*kind) for kind in kinds]
        known = [price.micros for price in prices if price is not None]
        if not known or len(known) < len(prices):
            return None
        return Money(min(known), self.currency), Money(max(known), self.currency)


def charged(price: Money | None, limit: Money | None) -> Money | None:
    """What a run is charged for a device and hour: the price, at most what was promised.

    A promise in another currency than the price's holds as it was made.
    """
    if price is None or limit is None:
        return price
    beyond = price.currency != limit.currency or price.micros > limit.micros
    return limit if beyond else price


def cost(price: Money | None, milli_gpus: int, ran: timedelta) -> Money | None:
    """Price x thousandths of devices x time, rounded down to a millionth; None without a price."""
    if price is None:
        return None
    micros = price.micros * milli_gpus * (ran // _MICROSECOND) // (WHOLE * _HOUR_US)
    return Money(micros, price.currency)
