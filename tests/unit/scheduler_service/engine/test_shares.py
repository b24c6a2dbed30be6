"""What teams may use, and whose turn it is by what they used."""

from scheduler_service.domain.scheduling.policy import FairShare, TeamQuota
from scheduler_service.domain.scheduling.requests import SECOND
from tests.unit.scheduler_service.engine.cluster import Cluster


def test_a_team_uses_its_own_and_what_it_may_borrow() -> None:
    """Beyond both a team's work waits, and holds up nobody of another team."""
    quotas = (TeamQuota("red", 2_000, borrow=1_000), TeamQuota("blue", 4_000, borrow=0))
    cluster = Cluster(quotas=quotas)
    assert cluster.submit("own", 2, team="red") == ["own"]
    assert cluster.submit("borrowed", 1, team="red") == ["borrowed"]
    assert cluster.submit("beyond", 1, team="red") == []
    assert cluster.submit("other", 4, team="blue") == ["other"]
    assert cluster.finish("own") == ["beyond"]


def test_without_a_limit_a_team_borrows_all_that_is_idle() -> None:
    """A team without a borrowing limit, or without a quota, uses whatever is free."""
    cluster = Cluster(quotas=(TeamQuota("red", 1_000),))
    assert cluster.submit("a", 4, team="red") == ["a"]
    assert cluster.submit("b", 4, team="unnamed") == ["b"]


def test_who_used_less_goes_first() -> None:
    """Between teams what was used decides, by weight; then between users of one team."""
    cluster = Cluster(fair_share=FairShare(enabled=True, weights=(("heavy", 100.0),)))
    cluster.submit("a", 8, team="red", user="ann")
    cluster.submit("b", 8, at=100, team="red", user="ann")
    cluster.submit("c", 8, at=100, team="red", user="bob")
    cluster.submit("d", 8, at=100, team="blue")
    assert cluster.finish("a", at=200) == ["d"]
    assert cluster.finish("d", at=210) == ["c"]
    cluster.submit("e", 8, at=211, team="heavy")
    assert cluster.finish("c", at=220) == ["e"]
    assert cluster.finish("e", at=230) == ["b"]


def test_past_use_is_forgotten_by_half_lives() -> None:
    """After many half-lives a team that used much is as good as one that used nothing."""
    fair = FairShare(enabled=True, half_life=100 * SECOND)
    cluster = Cluster(fair_share=fair)
    cluster.submit("much", 8, team="red")
    cluster.finish("much", at=1_000)
    cluster.submit("little", 8, at=10_000, team="blue")
    cluster.submit("red", 8, at=10_010, team="red")
    cluster.submit("blue", 8, at=10_005, team="blue")
    assert cluster.finish("little", at=10_020) == ["red"]
