"""What the scheduler's pools have to offer, and what a job could cost there at most."""

from datetime import timedelta

from job_service.domain.prices import Money
from job_service.domain.spec import WHOLE_DEVICE, JobSpec, ResourceType
from servicekit.values import Value

_HOUR_US = 3_600_000_000
_MICROSECOND = timedelta(microseconds=1)


class Places(Value, frozen=True):
    """The names that jobs may give for where to run; none are known as long as both are empty."""

    pools: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()


ANYWHERE = Places()


class Offer(Value, frozen=True):
    """A device model of a provider in a pool; ``hourly`` is its price in millionths, if known."""

    pool: str
    provider: str
    resource_type: ResourceType
    gpu_type: str
    hourly: int | None = None


class Offers(Value, frozen=True):
    """All that is on offer.

    Attributes:
        currency: of all prices; empty while none is known.
        places: where jobs may run, also where nothing but processor cores is offered.
    """

    offers: tuple[Offer, ...] = ()
    places: Places = ANYWHERE
    currency: str = ""

    @property
    def gpu_types(self) -> frozenset[str]:
        """The device models that there are."""
        return frozenset(offer.gpu_type for offer in self.offers)

    def dearest(self, spec: JobSpec) -> Money | None:
        """What a job could cost at most: all that it reserves, at the highest price it may meet.

        None where one of those prices is not known, and for a job without devices. Rounded up.
        """
        prices = [offer.hourly for offer in self.offers if _could_run(spec, offer)]
        known = [price for price in prices if price is not None]
        if not known or len(known) < len(prices):
            return None
        length = spec.estimated_duration if spec.overruns else spec.max_runtime
        milli = spec.resources.milli_devices
        micros = -(-max(known) * milli * (length // _MICROSECOND) // (WHOLE_DEVICE * _HOUR_US))
        return Money(micros, self.currency)


def _could_run(spec: JobSpec, offer: Offer) -> bool:
    wanted = spec.resources
    models = {wanted.gpu_type, *wanted.alternative_gpu_types}
    return (
        wanted.milli_devices > 0
        and offer.resource_type is wanted.resource_type
        and spec.pool in ("", offer.pool)
        and spec.provider in ("", offer.provider)
        and (not wanted.gpu_type or offer.gpu_type in models)
    )
