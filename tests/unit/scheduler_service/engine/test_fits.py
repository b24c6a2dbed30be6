"""Of which shapes the engine keeps where they may run."""

from scheduler_service.domain.scheduling.engine import ASKED, KEPT, Engine
from scheduler_service.domain.scheduling.events import NodeSpec, NodeUp, Submit
from scheduler_service.domain.scheduling.fits import Fit
from scheduler_service.domain.scheduling.requests import Request, Shape


def engine() -> Engine:
    """With one node."""
    engine = Engine()
    engine.step(0, [NodeUp(NodeSpec("n0", model="A100"))])
    return engine


def shape(number: int) -> Shape:
    """One of many."""
    return Shape(memory=number)


def test_what_was_only_asked_for_takes_little_room() -> None:
    """However many shapes are asked for; an answer is mostly there when it is asked for again."""
    told = engine()
    answers = [told.fit(shape(number)) for number in range(3 * ASKED)]
    assert told.known <= ASKED
    assert told.fit(shape(3 * ASKED - 1)) is answers[-1]


def test_what_nobody_waits_with_any_more_takes_little_room() -> None:
    """What nobody could ever hold is kept no more than what has ended."""
    told = engine()
    told.step(0, [Submit(Request("stays", shape(0), 0))])
    kept = told.jobs["stays"].fit
    shapes = [Shape(nodes=2, memory=number) for number in range(2 * KEPT)]
    told.step(1, [Submit(Request("refused", it, 1)) for it in shapes])
    assert told.known <= KEPT
    assert told.fit(shape(0)) is kept


def test_jobs_of_one_shape_always_share_what_is_known_of_it() -> None:
    """However many shapes come, all of which are in use."""
    told = engine()
    count = KEPT + 100
    told.step(0, [Submit(Request(f"a{it}", shape(it), 0)) for it in range(count)])
    told.step(1, [Submit(Request(f"b{it}", shape(it), 1)) for it in range(count)])
    jobs = told.jobs
    assert all(jobs[f"a{it}"].fit is jobs[f"b{it}"].fit for it in range(count))
    assert told.known == count


def test_what_was_asked_for_comes_as_it_was_found() -> None:
    """Who asked first does not have it worked out twice."""
    told = engine()
    asked = told.fit(shape(1))
    told.step(0, [Submit(Request("a", shape(1), 0))])
    assert isinstance(asked, Fit)
    assert told.jobs["a"].fit is asked
    assert told.known == 1
