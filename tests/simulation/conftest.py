"""Where the public traces are."""

import os
from pathlib import Path

import pytest

VARIABLE = "GPUAAS_TRACES"


@pytest.fixture
def traces() -> Path:
    """The folder of the public traces, or a skip where the machine has none."""
    folder = os.environ.get(VARIABLE)
    if not folder or not Path(folder).is_dir():
        pytest.skip(f"set {VARIABLE} to the folder of the public traces (openb, muri, ...)")
    return Path(folder)
