"""What is expected of runs, by hand."""

from random import Random

from scheduler_service.domain.prediction.history import BURST, ENOUGH, NEAR, SHRINKAGE, History
from scheduler_service.domain.scheduling.protocols import EVERYONE, Prediction
from scheduler_service.domain.scheduling.requests import Request, Shape

NOON = 24 * BURST


def run(
    team: str = "red", devices: int = 1, at: int = NOON, user: str = "", name: str = ""
) -> Request:
    """A workload that is submitted at a time."""
    return Request("it", Shape(devices=devices), at, team, user, name)


def test_nothing_is_expected_before_anything_has_ended() -> None:
    """A cold start is said to be one."""
    assert History().predict(run()) is None


def test_one_run_is_all_there_is_to_go_by() -> None:
    """Whatever comes after the very first run is expected to take as long."""
    history = History()
    history.learn(run(), 600, NOON)
    assert Prediction(600, 600, 600) == history.predict(run("blue", 8, at=50 * BURST))


def test_what_is_near_counts_more_the_more_of_it_there_is() -> None:
    """The mean of a level is drawn to the next one's by ``SHRINKAGE`` runs' worth."""
    history = History()
    for _ in range(30):
        history.learn(run("blue"), 100, NOON)
    for _ in range(10):
        history.learn(run("red"), 1_000, NOON)
    everyone = (30 * 100 + 10 * 1_000) // 40
    size = (40 * everyone + SHRINKAGE * everyone) // (40 + SHRINKAGE)
    team = (10_000 + SHRINKAGE * size) // (10 + SHRINKAGE)
    burst = (10_000 + SHRINKAGE * team) // (10 + SHRINKAGE)
    predicted = history.predict(run("red"))
    assert predicted is not None
    assert burst == predicted.expected
    assert (1_000, 1_000) == (predicted.p50, predicted.p90)


def test_a_burst_is_told_from_what_the_team_did_before() -> None:
    """Of runs submitted together, some that ended say more than the team's past."""
    history = History()
    for _ in range(100):
        history.learn(run(at=NOON), 10_000, NOON)
    later = run(at=NOON + 10 * BURST)
    before = history.predict(later)
    for _ in range(20):
        history.learn(later, 60, NOON)
    after = history.predict(later)
    assert before is not None
    assert after is not None
    assert before.expected == 10_000
    assert after.expected < 4_000
    assert after.p90 == 60


def test_users_and_names_are_told_apart() -> None:
    """Where a trace says who and what, that is nearer than the team."""
    history = History()
    for _ in range(ENOUGH):
        history.learn(run(user="ada", name="train"), 5_000, NOON)
        history.learn(run(user="ada", name="test"), 50, NOON)
        history.learn(run(user="bob", name="train"), 900, NOON)
    tomorrow = NOON + 48 * BURST
    medians = {
        (user, name): predicted.p50
        for user in ("ada", "bob")
        for name in ("train", "test")
        if (predicted := history.predict(run(user=user, name=name, at=tomorrow)))
    }
    expected = {
        ("ada", "train"): 5_000,
        ("ada", "test"): 50,
        ("bob", "train"): 900,
        ("bob", "test"): 900,
    }
    assert expected == medians


def test_it_is_asked_again_as_long_as_that_can_change_much() -> None:
    """A kin is named after its 1st, 2nd, 3rd, 4th, 6th... run, all after 1, 2, 4, 8... runs."""
    history = History()
    kin = history.kin(run())
    told = [history.learn(run(), 60, NOON) for _ in range(16)]
    everyone = [number for number, moved in enumerate(told, 1) if moved == EVERYONE]
    alone = [number for number, moved in enumerate(told, 1) if moved == kin]
    assert [1, 2, 4, 8, 16] == everyone
    assert [3, 6, 12] == alone


def test_memory_is_bounded() -> None:
    """However many teams and bursts there are, what is kept of them has a limit."""
    history = History(capacity=50)
    for number in range(1_000):
        request = run(f"team{number % 90}", at=number * BURST, user=f"user{number % 7}")
        history.learn(request, number + 1, number * BURST)
        assert len(history._samples) <= 50
    assert all(len(sample) <= max(NEAR, 200) for sample in history._samples.values())
    assert history.predict(run()) is not None


def test_the_same_past_gives_the_same_predictions() -> None:
    """Two that learned the same agree on everything, and whoever only asks changes nothing."""
    random = Random(3)
    asked, silent = History(), History()
    for number in range(2_000):
        request = run(random.choice("abc"), random.choice((1, 2, 8)), at=number * BURST // 40)
        asked.predict(request)
        served = random.randrange(1, 10**9)
        assert asked.learn(request, served, number) == silent.learn(request, served, number)
        assert asked.predict(request) == silent.predict(request)
