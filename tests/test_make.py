"""The Makefile hands paths on as they are."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

PATHS = ("/data/it's here (1)/two  blanks", "/data/a;b&c", '/data/"quoted"', "/data/`x`*?")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("target", "variable"), [("train", "DATA"), ("evaluate", "DATA"), ("segment", "STUDY"), ("segment", "BUNDLE")]
)
def test_a_path_arrives_as_it_was_given(target: str, variable: str, path: str) -> None:
    if shutil.which("make") is None:
        pytest.skip("needs make")
    root = Path(__file__).parents[1]
    done = subprocess.run(
        ["make", "-n", target, f"{variable}={path}"], cwd=root, capture_output=True, text=True, check=True
    )
    (command,) = [line for line in done.stdout.splitlines() if "/cmr " in line]
    assert path in shlex.split(command)
