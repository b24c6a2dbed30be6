"""Policies by name and from files."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from scheduler_service.domain.scheduling.policy import (
    FairShare,
    HeadRule,
    Policy,
    PreemptionRules,
    TeamQuota,
)
from scheduler_service.simulate import policies
from scheduler_service.simulate.errors import BadInput


def test_by_name() -> None:
    """A name stands for a policy."""
    assert HeadRule.BLOCK is policies.find("fifo").head
    assert Policy() == policies.find("default")


def test_a_file_says_what_differs(tmp_path: Path) -> None:
    """What it does not name is as in its base, also within a part."""
    path = tmp_path / "mine.toml"
    path.write_text(
        'base = "easy"\nbackfill_depth = 7\norder = ["priority", "ssf"]\n'
        "[preemption]\nby_priority = true\noptions = {beta = 2.0, alpha = 1.5}\n"
        "[[quotas]]\nteam = 'red'\nnominal = 8000\n"
    )
    expected = replace(
        policies.POLICIES["easy"],
        backfill_depth=7,
        order=("priority", "ssf"),
        preemption=PreemptionRules(by_priority=True, options=(("alpha", 1.5), ("beta", 2.0))),
        quotas=(TeamQuota("red", 8000),),
    )

    assert expected == policies.find(str(path))


def test_json_does_as_well(tmp_path: Path) -> None:
    """The same content in the other format."""
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"fair_share": {"enabled": True, "weights": {"red": 2}}}))
    expected = replace(Policy(), fair_share=FairShare(enabled=True, weights=(("red", 2.0),)))

    assert expected == policies.find(str(path))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("order = 3", "order"),
        ('order = ["alphabet"]', "order: 'alphabet', expected fifo"),
        ('placement = "anywhere"', "placement: 'anywhere', expected"),
        ('head = "jump"', "head"),
        ("hed = 1", "hed: expected one of order, head"),
        ("[preemption]\ncots = 1", "preemption.cots: expected one of by_priority"),
        ('base = "nothing"', "base: expected one of default"),
        ("order = [", "mine.toml"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    """The complaint names the setting and what was expected."""
    path = tmp_path / "mine.toml"
    path.write_text(text)

    with pytest.raises(BadInput) as caught:
        policies.find(str(path))

    assert complaint in str(caught.value)


def test_an_unknown_name_is_refused() -> None:
    """With the known ones."""
    with pytest.raises(BadInput, match=r"policy 'fife': expected default, fifo.*, or a .toml"):
        policies.find("fife")
