"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cmr_data() -> Path:
    """The folder of real patients' data; the test is skipped where `CMR_DATA` does not name one."""
    folder = os.environ.get("CMR_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs real data: set CMR_DATA to the folder that holds acdc/ and sunnybrook/")
    return Path(folder)
