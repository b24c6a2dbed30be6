"""A trace in memory: columns of numbers, so that a million jobs are some fifty megabytes."""

import enum
from array import array
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from scheduler_service.domain.scheduling.requests import Request, Shape

UNKNOWN = -1

T = TypeVar("T")


class Durations(enum.StrEnum):
    """What is known of a job's duration when it is submitted.

    KNOWN: the true one. GIVEN: what the trace says that its user expected, if it says so.
    UNKNOWN: nothing.
    """

    KNOWN = "known"
    GIVEN = "given"
    UNKNOWN = "unknown"


class Traits(NamedTuple):
    """Whose job it is and what it is called; many jobs have the same."""

    team: str = ""
    user: str = ""
    name: str = ""
    priority: int = 0
    preemptible: bool = False


class Trace:
    """Jobs in the order of their submission. All times are whole microseconds.

    Attributes:
        source: where it comes from, for people.
        submits: when each job is submitted; the first one at 0 once the trace is ``settled``.
        durations: service that each job needs.
        estimates: duration that its user expected; -1 when the trace does not say.
        limits: longest time that it may run; -1 when there is none.
        shape_of: place of each job's shape in ``shapes``.
        traits_of: place of each job's traits in ``traits``.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.submits = array("q")
        self.durations = array("q")
        self.estimates = array("q")
        self.limits = array("q")
        self.shape_of = array("I")
        self.traits_of = array("I")
        self.shapes: list[Shape] = []
        self.traits: list[Traits] = []
        self._shape_places: dict[Shape, int] = {}
        self._traits_places: dict[Traits, int] = {}

    def __len__(self) -> int:
        return len(self.submits)

    def add(
        self,
        submitted: int,
        duration: int,
        shape: Shape,
        traits: Traits,
        estimate: int = UNKNOWN,
        limit: int = UNKNOWN,
    ) -> None:
        """Adds a job behind the others."""
        self.submits.append(submitted)
        self.durations.append(duration)
        self.estimates.append(estimate)
        self.limits.append(limit)
        self.shape_of.append(_place(shape, self.shapes, self._shape_places))
        self.traits_of.append(_place(traits, self.traits, self._traits_places))

    def settled(self) -> "Trace":
        """The same jobs by the time of their submission counted from the first.

        Jobs of one instant keep their order.
        """
        submits = self.submits
        first = min(submits, default=0)
        order = sorted(range(len(submits)), key=submits.__getitem__)
        return self.pick(order, array("q", [submits[job] - first for job in order]))

    def pick(self, jobs: Sequence[int], submits: "array[int]") -> "Trace":
        """A trace of some of these jobs, by their places, submitted at other times."""
        picked = Trace(self.source)
        picked.submits = submits
        picked.durations = array("q", [self.durations[job] for job in jobs])
        picked.estimates = array("q", [self.estimates[job] for job in jobs])
        picked.limits = array("q", [self.limits[job] for job in jobs])
        picked.shape_of = array("I", [self.shape_of[job] for job in jobs])
        picked.traits_of = array("I", [self.traits_of[job] for job in jobs])
        picked.shapes, picked.traits = self.shapes, self.traits
        picked._shape_places, picked._traits_places = self._shape_places, self._traits_places
        return picked

    def first(self, count: int) -> "Trace":
        """The first jobs only."""
        return self.pick(range(min(count, len(self))), self.submits[:count])

    def of_team(self, team: str) -> "Trace":
        """The jobs of one team only, from its first one on."""
        jobs = [job for job in range(len(self)) if self.traits[self.traits_of[job]].team == team]
        return self.pick(jobs, array("q", [self.submits[job] for job in jobs])).settled()

    def service(self, job: int) -> int:
        """What a job needs in microseconds times thousandths of a device."""
        return self.durations[job] * self.shapes[self.shape_of[job]].total_milli

    def requests(self, durations: Durations) -> Callable[[int], Request]:
        """What makes the engine's request of a job; its id is its place, written out."""
        shapes, traits = self.shapes, self.traits
        shape_of, traits_of, submits, limits = (
            self.shape_of,
            self.traits_of,
            self.submits,
            self.limits,
        )
        known = {
            Durations.KNOWN: self.durations,
            Durations.GIVEN: self.estimates,
            Durations.UNKNOWN: None,
        }[durations]

        def request(job: int) -> Request:
            team, user, name, priority, preemptible = traits[traits_of[job]]
            estimate = UNKNOWN if known is None else known[job]
            limit = limits[job]
            return Request(
                str(job),
                shapes[shape_of[job]],
                submits[job],
                team,
                user,
                name,
                "",
                priority,
                preemptible,
                None if estimate < 0 else estimate,
                None if limit < 0 else limit,
            )

        return request


def _place(value: T, values: list[T], places: dict[T, int]) -> int:
    place = places.get(value)
    if place is None:
        place = places[value] = len(values)
        values.append(value)
    return place
