"""What the scheduler has to offer, kept where submits are decided."""

from typing import ClassVar

from job_service.application.ports import UnitOfWork
from job_service.domain.offers import Offers
from servicekit.values import Value


class NoteOffers(Value, frozen=True):
    """Keeps what is on offer now; the same again changes nothing."""

    name: ClassVar[str] = "offers.note"
    offers: Offers

    def run(self, unit: UnitOfWork) -> bool:
        """Whether anything was new."""
        if unit.offers.get() == self.offers:
            return False
        unit.offers.save(self.offers)
        return True
