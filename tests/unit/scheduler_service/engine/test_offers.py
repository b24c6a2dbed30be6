"""Where room is made at the least cost, without looking at every node."""

from collections.abc import Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from scheduler_service.domain.preemption.offers import Offers
from scheduler_service.domain.preemption.priority import ByPriority
from scheduler_service.domain.preemption.ripe import RipeRuns
from scheduler_service.domain.scheduling.policy import HeadRule, PreemptionRules
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.requests import SECOND, Job, Shape
from tests.simulation.scheduler_service.plain_offers import plain_offers
from tests.unit.scheduler_service.engine.cluster import Cluster

TEAMS = "abc"


class Teams:
    """Judges runs: those of some teams may be stopped. Counts what it is asked."""

    def __init__(self, teams: str) -> None:
        self.teams = teams
        self.asked = 0

    def wants(self, sort: str) -> bool:
        """Whether runs of a team may be stopped."""
        return sort in self.teams

    def among(self, runs: Sequence[Job], now: int) -> tuple[Sequence[Job], int | None]:
        """Those of the teams."""
        self.asked += 1
        return [run for run in runs if run.request.team in self.teams], None


def cluster(nodes: int, cost: int = 60, placement: str = "best_fit") -> Cluster:
    """Nodes of eight devices; runs may be stopped after a minute and lose a cost, in seconds."""
    rules = PreemptionRules(by_priority=True, minimum_runtime=60 * SECOND, cost=cost * SECOND)
    return Cluster(nodes=nodes, placement=placement, head=HeadRule.SKIP, preemption=rules)


def offers_of(pool: Pool, judge: Teams, devices: int) -> Offers[Teams]:
    """What a shape of some devices is offered; all that may be stopped at all is preemptible."""
    ripe = RipeRuns(pool, lambda run: run.request.team if run.request.preemptible else None)
    return Offers(pool, ripe, Shape(devices=devices, split=devices > 8), judge)


def offered(offers: Offers[Teams], now: int) -> list[list[str]]:
    """Whom to stop on each node, in the order of the price."""
    offers.update(now)
    return [[run.request.id for run in it.runs] for it in offers.in_order(now, -1)]


def pool_of(told: Cluster) -> Pool:
    """The only one."""
    return next(iter(told.engine.pools.values()))


def test_only_as_many_nodes_are_looked_at_as_it_takes() -> None:
    """Where every run loses the same, the first node with enough of them is the cheapest."""
    told = cluster(nodes=50)
    for number in range(50):
        told.submit(f"run{number}", 8, preemptible=True, team="ab"[number % 2])
    judge = Teams("b")
    offers = offers_of(pool_of(told), judge, 8)
    offers.update(600 * SECOND)
    first = next(offers.in_order(600 * SECOND, -1))
    assert [run.request.id for run in first.runs] == ["run1"]
    assert judge.asked < 5


def test_another_judgement_costs_what_is_looked_at_again() -> None:
    """When a team may be stopped too, its nodes are looked at only as far as it matters."""
    told = cluster(nodes=50)
    for number in range(50):
        told.submit(f"run{number}", 8, preemptible=True, team="ab"[number % 2])
    judge = Teams("b")
    offers = offers_of(pool_of(told), judge, 8)
    assert offered(offers, 600 * SECOND) == [[f"run{number}"] for number in range(1, 50, 2)]
    judge.teams, judge.asked = "ab", 0
    offers.judge_anew(offers.ripe.nodes("a".__eq__))
    first = next(offers.in_order(600 * SECOND, -1))
    assert [run.request.id for run in first.runs] == ["run0"]
    assert judge.asked < 5


def test_where_nothing_suffices_nobody_looks_twice() -> None:
    """Not before something changes there."""
    told = cluster(nodes=3)
    for number in range(3):
        told.submit(f"small{number}", 1, preemptible=True, team="a")
        told.submit(f"large{number}", 7, team="a")
    judge = Teams("a")
    offers = offers_of(pool_of(told), judge, 8)
    assert offered(offers, 600 * SECOND) == []
    asked = judge.asked
    assert offered(offers, 601 * SECOND) == []
    assert judge.asked == asked
    told.finish("large1", at=602)
    assert offered(offers, 602 * SECOND) == [["small1"]]
    assert judge.asked == asked + 1


def test_prices_rise_to_the_cost_and_no_further() -> None:
    """What started last is the cheapest, until both have run for as long as stopping costs."""
    told = cluster(nodes=2, cost=200)
    told.submit("old", 8, preemptible=True, team="a")
    told.submit("new", 8, preemptible=True, team="a", at=50)
    offers = offers_of(pool_of(told), Teams("a"), 8)
    assert offered(offers, 150 * SECOND) == [["new"], ["old"]]
    assert offered(offers, 400 * SECOND) == [["old"], ["new"]]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("start", "start", "start", "end", "teams")),
        st.sampled_from((1, 1, 1, 2, 3, 4, 6, 8)),
        st.sampled_from(TEAMS),
        st.integers(0, 100),
    ),
    min_size=10,
    max_size=40,
)


def lived(
    steps: list[tuple[str, int, str, int]], devices: int, cost: int = 60
) -> Iterator[tuple[Pool, Offers[Teams], int]]:
    """The pool, its offers and the time, after each of the steps."""
    told = cluster(nodes=4, placement="spread", cost=cost)
    pool, judge = pool_of(told), Teams("ab")
    offers = offers_of(pool, judge, devices)
    for number, (what, size, team, passed) in enumerate(steps):
        told.now += passed
        if what == "start":
            told.submit(f"run{number}", size, team=team, preemptible=number % 5 > 0)
        elif what == "end" and pool.running:
            told.finish(list(pool.running)[size % len(pool.running)])
        elif what == "teams":
            judge.teams = "".join(set(judge.teams) ^ {team})
            offers.judge_anew(offers.ripe.nodes(team.__eq__))
        yield pool, offers, told.now * SECOND


@given(STEPS, st.sampled_from((1, 2, 4, 8, 12)), st.sampled_from((0, 30, 200)))
def test_offers_are_what_a_search_of_all_nodes_finds(
    steps: list[tuple[str, int, str, int]], devices: int, cost: int
) -> None:
    """Whoever starts, ends and may be stopped, and whatever stopping costs."""
    for pool, offers, now in lived(steps, devices, cost):
        expected = plain_offers(pool, ByPriority(), offers, now)
        assert [[run.request.id for run in it] for it in expected] == offered(offers, now)


@given(STEPS, st.lists(st.integers(0, 15), min_size=40, max_size=40), st.sampled_from((3, 6, 12)))
def test_all_offers_give_what_a_search_of_all_nodes_finds(
    steps: list[tuple[str, int, str, int]], usable: list[int], devices: int
) -> None:
    """On whatever nodes, whoever starts, ends and may be stopped, and whenever it is asked for."""
    for (pool, offers, now), nodes in zip(lived(steps, devices), usable, strict=False):
        offers.update(now)
        plain = plain_offers(pool, ByPriority(), offers, now)
        on_nodes = [run for it in plain for run in it if 1 << run.slices[0].node & nodes]
        expected = sum(run.request.shape.devices for run in on_nodes)
        assert not offers.gains(expected + 1, nodes, now)
        assert offers.gains(expected, nodes, now)


def test_what_all_offers_give_is_summed_up_once() -> None:
    """After that only what has changed is looked at, and none once there is enough."""
    told = cluster(nodes=50)
    for number in range(50):
        told.submit(f"run{number}", 8, preemptible=True, team="a")
    judge = Teams("a")
    offers = offers_of(pool_of(told), judge, 400)
    offers.update(600 * SECOND)
    assert offers.gains(16, -1, 600 * SECOND)
    assert judge.asked == 2
    assert not offers.gains(401, -1, 600 * SECOND)
    assert judge.asked == 50
    told.finish("run7", at=700)
    offers.update(700 * SECOND)
    assert not offers.gains(401, -1, 700 * SECOND)
    assert offers.gains(8 * 49, -1, 700 * SECOND)
    assert judge.asked == 50


def test_what_all_offers_give_is_less_when_fewer_may_be_stopped() -> None:
    """What was summed up does not count any more where others judge."""
    told = cluster(nodes=1)
    told.submit("a", 4, preemptible=True, team="a")
    told.submit("b", 4, preemptible=True, team="b")
    judge, now = Teams("ab"), 600 * SECOND
    offers = offers_of(pool_of(told), judge, 12)
    offers.update(now)
    assert offers.gains(8, -1, now)
    judge.teams = "a"
    offers.judge_anew(offers.ripe.nodes("b".__eq__))
    assert not offers.gains(1, -1, now)


def test_what_all_offers_give_changes_with_whom_it_is_cheapest_to_stop() -> None:
    """First only what is large and new, later the other before it."""
    told = cluster(nodes=1, cost=0)
    told.submit("old", 2, preemptible=True, team="a")
    told.submit("new", 6, preemptible=True, team="a", at=200)
    offers = offers_of(pool_of(told), Teams("a"), 6)
    for seconds, expected in ((270, False), (310, True)):
        offers.update(seconds * SECOND)
        assert offers.gains(6, -1, seconds * SECOND)
        assert expected == offers.gains(7, -1, seconds * SECOND)
