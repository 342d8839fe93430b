"""Every page has its place on the site, and every link its target, without building the site."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.docs.blocks import documents
from tools.docs.pages import MADE_PAGES, ROOT, broken_links

NAVIGATION = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]


def test_every_page_has_a_place_in_the_navigation() -> None:
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    placed = set(re.findall(r"[\w/-]+\.md$", NAVIGATION, re.MULTILINE))
    missing = sorted(
        page for page in pages.union(MADE_PAGES) if not page.startswith("decisions/") and page not in placed
    )
    assert not missing, f"give {missing} a line under nav in mkdocs.yml"


def test_no_page_has_two_places() -> None:
    placed = re.findall(r"[\w/-]+\.(?:md|ipynb)$", NAVIGATION, re.MULTILINE)
    assert len(placed) == len(set(placed))


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    assert broken_links(path) == []


def test_a_broken_link_is_found() -> None:
    text = "[a](segment.md#choices) [b](commands.md) [c](segment.md#chioces) [d](gone.md) ![e](pictures/no.webp)"
    assert broken_links(ROOT / "docs/page.md", text) == ["segment.md#chioces", "gone.md", "pictures/no.webp"]


@pytest.mark.documented
def test_the_built_site_has_no_warning_and_asks_no_other_host(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|iframe)[^>]* src=\"([^\"]+)|<link[^>]* href=\"([^\"]+)", page.read_text("utf-8")
        )
        assert [one for pair in loaded for one in pair if re.match(r"(https?:)?//", one)] == [], page
