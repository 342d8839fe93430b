"""A `pipeline` of the user's own never takes this library's place in processes started anew."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from pipeline.core.import_path import library_first, with_library_first

LIBRARY = str(Path(pipeline.__file__).parents[1])


def _own(folder: Path, kind: str) -> str:
    """A folder with a `pipeline` in it: a module, a package, or a folder without code."""
    place = folder / kind
    place.mkdir()
    if kind == "module":
        (place / "pipeline.py").write_text("raise SystemExit('the wrong one')")
    else:
        (place / "pipeline").mkdir()
    if kind == "package":
        (place / "pipeline" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    return str(place)


@pytest.mark.parametrize("kind", ["module", "package", "folder"])
@pytest.mark.parametrize("known", [True, False], ids=["on the path", "by a finder"])
def test_another_of_that_name_comes_after_this_library(tmp_path: Path, kind: str, known: bool) -> None:
    other, plain = _own(tmp_path, kind), str(tmp_path)
    path = [plain, other, "/elsewhere", *([LIBRARY] if known else [])]
    assert with_library_first(path) == [plain, "/elsewhere", LIBRARY, other]
    code = f"import sys; sys.path[:0] = {with_library_first(path)!r}; import pipeline; print(pipeline.__file__)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=other, check=True).stdout
    assert said.strip() == pipeline.__file__


def test_without_another_nothing_moves(tmp_path: Path) -> None:
    for path in ([LIBRARY, str(tmp_path)], [str(tmp_path)]):
        assert with_library_first(path) == path


def test_the_path_is_as_before_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = _own(tmp_path, "module")
    monkeypatch.setattr(sys, "path", [other, *sys.path])
    before = sys.path[:]
    with library_first():
        assert LIBRARY in sys.path[: sys.path.index(other)]
    assert sys.path == before
