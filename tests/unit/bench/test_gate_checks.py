"""What a figure has to be, and how that is shown."""

import json

import pytest

from bench.gates.__main__ import finish, row
from bench.gates.check import AtLeast, AtMost, Check, Exactly, Reported, Want


@pytest.mark.parametrize(
    ("want", "measured", "holds"),
    [
        (Exactly(18_497.01, 0.005), 18_497.0149, True),
        (Exactly(18_497.01, 0.005), 18_497.0151, False),
        (Exactly(18_497.01, 0.005), 18_497.0049, False),
        (AtLeast(95.3), 95.3, True),
        (AtLeast(95.3), 95.29, False),
        (AtMost(4_000), 4_000, True),
        (AtMost(4_000), 4_000.1, False),
        (Reported(), 1e9, True),
    ],
)
def test_wants(want: Want, measured: float, holds: bool) -> None:
    """A bound is inclusive, a published figure holds to its tolerance on both sides."""
    assert holds is Check("figure", measured, want).holds


def test_a_row() -> None:
    """Figure, measured, wanted, verdict; with the digits that count."""
    assert ["jct", "9,667.02 s", "9,667.02 ± 0.005", "holds"] == row(
        Check("jct", 9_667.0193, Exactly(9_667.02, 0.005), "s")
    )
    assert ["jct", "190,377.377", "190,377.377 ± 0.001", "holds"] == row(
        Check("jct", 190_377.37738, Exactly(190_377.377, 0.001))
    )
    assert "MISSED" == row(Check("queue", 2.0, AtMost(1)))[-1]


def test_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    """One object: what held, what was missed, and every figure."""
    finish([Check("good", 1.0, AtMost(1)), Check("bad", 1_370_603.19765, AtMost(1))])

    expected = {"held": 1, "missed": ["bad"], "good": 1.0, "bad": 1_370_603.1976}
    assert expected == json.loads(capsys.readouterr().out)
