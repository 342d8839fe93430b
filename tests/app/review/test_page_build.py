"""The committed page is what its sources build. Without Node; `make review-page` builds it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from pipeline.app.review.server import STATIC

SOURCES = Path(__file__).parents[3] / "review"
MOST_BYTES = 5_000_000


def test_the_build_is_of_the_sources() -> None:
    if not SOURCES.is_dir():
        pytest.skip("needs the sources of the page, in a checkout")
    files = ["index.html", "package-lock.json", "vite.config.ts"]
    files += [path.relative_to(SOURCES).as_posix() for path in (SOURCES / "src").rglob("*.*")]
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0".encode() + (SOURCES / name).read_bytes() + b"\0")
    built = (STATIC / "sources.sha256").read_text().strip()
    assert digest.hexdigest() == built, "the page's sources changed: make review-page"


def test_the_build_fits_a_wheel_and_its_policy() -> None:
    built = [path for path in STATIC.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in built) < MOST_BYTES
    page = (STATIC / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []  # none inline
    assert re.findall(r'(?:src|href)="(?!/static/|data:,)[^"]*"', page) == []
    scripts = "".join(path.read_text() for path in built if path.suffix == ".js")
    assert not re.search(r"\beval\(|new Function\(", scripts)


def test_the_licences_of_what_is_built_in_are_there() -> None:
    text = (STATIC / "licenses.txt").read_text()
    for package in ("@cornerstonejs/core", "@cornerstonejs/tools", "@kitware/vtk.js", "gl-matrix"):
        assert f"\n{package} " in text
