"""The locks pin what runs, for every platform, and depend on no particular package host."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ["requirements.lock", "requirements-dev.lock"]


def pins(lock: str) -> dict[str, str]:
    """Returns every package's block of a lock: the pinned version, markers and hashes."""
    text = (ROOT / lock).read_text()
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    blocks = re.split(r"\n(?=\S)", "\n".join(lines))
    return {block.split("==")[0]: block for block in blocks if block}


def unconditional(block: str) -> str:
    """Returns a package's block without the condition under which it is installed."""
    return re.sub(r" ; [^\\\n]+", " ", block, count=1)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_with_hashes(lock: str) -> None:
    """An install takes exactly the files that were resolved, or fails."""
    blocks = pins(lock)

    assert len(blocks) > 20
    unpinned = [name for name, block in blocks.items() if "--hash=sha256:" not in block]
    assert [] == unpinned


@pytest.mark.parametrize("lock", LOCKS)
def test_no_host_is_named(lock: str) -> None:
    """Whoever installs chooses where from."""
    text = (ROOT / lock).read_text()

    assert None is re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", text)


def test_the_image_runs_what_was_tested() -> None:
    """The runtime lock is a part of the development lock, at the same versions and hashes.

    What a development package needs everywhere may be needed by the runtime on one platform only.
    """
    tested = {name: unconditional(block) for name, block in pins("requirements-dev.lock").items()}
    different = [
        name
        for name, block in pins("requirements.lock").items()
        if tested.get(name) != unconditional(block)
    ]

    assert [] == different
