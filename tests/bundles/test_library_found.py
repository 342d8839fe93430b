"""MONAI's own command, started where a `pipeline` of the user's lies, says so in one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.core.shipped import BUNDLES

LIBRARY = str(Path(pipeline.__file__).parents[1])


def _run(cwd: Path, *flags: str) -> str:
    root = BUNDLES / DEFAULT_BUNDLE
    places = ("--config_file", str(root / "configs" / "inference.json"), "--bundle_root", str(root))
    source = ("--dataset_dir", str(cwd / "nothing"), "--output_dir", str(cwd / "out"))
    command = [sys.executable, *flags, "-m", "monai.bundle", "run", "inference", *places, *source]
    env = os.environ | {"PYTHONPATH": LIBRARY, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return done.stderr


@pytest.mark.parametrize("content", ["", "__version__ = '1'", "parts = None"])
def test_the_sentence_names_the_user_s_own_file(tmp_path: Path, content: str) -> None:
    own = tmp_path / "pipeline.py"
    own.write_text(content)
    last = _run(tmp_path).strip().splitlines()[-1]
    assert last == f"`pipeline` must be this library, Python found {own}; rename that, or start elsewhere"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="needs `python -P`")
def test_without_the_working_folder_the_library_is_found(tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text("")
    assert "UnreadableError" in _run(tmp_path, "-P")  # of the study that is not there


def test_a_folder_without_code_does_not_stand_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "pipeline").mkdir()
    assert "Python found" not in _run(tmp_path)  # a package that is found anywhere comes before it
