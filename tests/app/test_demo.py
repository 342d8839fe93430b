"""The demonstration on the sample study: of fewer phases, and by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.app import desktop
from pipeline.app.cli import app
from pipeline.app.demo import Demonstration, compare_cavities, run_demo
from pipeline.core.shipped import SAMPLE

PHASES = (7, 14, 20)
"""1-based; the experts drew phases 7 and 20."""


@pytest.fixture(scope="module")
def fewer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample with three of its twenty phases."""
    folder = tmp_path_factory.mktemp("sample")
    shutil.copytree(SAMPLE, folder, dirs_exist_ok=True)
    for path in (folder / "dicom").rglob("*.dcm"):
        if (int(path.stem[-4:]) - 1) % 20 + 1 not in PHASES:
            path.unlink()
    return folder


def test_volumes_stand_beside_the_experts(fewer: Path, tmp_path: Path) -> None:
    shown = run_demo(tmp_path / "out", sample=fewer)
    assert "Radau et al. 2009, CC0). Not for diagnosis." in shown.table
    rows = {line[:10].strip(): [float(cell) for cell in line[10:].split()] for line in shown.table.splitlines()[4:9]}
    _, edv, expert_edv = rows["LV EDV, ml"]
    _, esv, expert_esv = rows["LV ESV, ml"]
    _, ef, expert_ef = rows["LV EF, %"]
    assert (edv, esv) == (pytest.approx(expert_edv, rel=0.1), pytest.approx(expert_esv, rel=0.1))
    assert expert_ef == pytest.approx(100 * (1 - expert_esv / expert_edv), abs=0.1)
    assert ef == pytest.approx(expert_ef, abs=5)
    assert all(dice > 0.94 for name in ("Dice ED", "Dice ES") for dice in rows[name])
    assert "in 9 slices at ED and 9 at ES" in shown.table
    assert shown.report.read_text(encoding="utf-8").startswith("<!")
    assert list((tmp_path / "out" / "experts").glob("*.nii.gz"))


def test_the_command_shows_the_table_and_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report, pages = tmp_path / "CASE" / "report.html", []
    monkeypatch.setattr(
        "pipeline.app.demo.run_demo", lambda out: Demonstration("the table", out / "CASE" / "report.html")
    )
    monkeypatch.setattr("pipeline.app.desktop.show_page", pages.append)
    done = CliRunner().invoke(app, ["demo", str(tmp_path)])
    assert (done.exit_code, done.stdout, pages) == (0, f"the table\nreport: {report}\n", [report])


def test_cavities_are_compared_where_experts_drew() -> None:
    truth = np.full((3, 2, 3), 255, dtype=np.uint8)
    truth[:, :, 1] = 0
    truth[:2, :, 1] = 1  # four pixels in one slice; nothing is known of the others
    found = np.zeros_like(truth)
    found[1:, :, :] = 1  # four pixels in each slice, two of them right where there is a truth
    cavity = compare_cavities(found, truth, voxel_ml=0.25)
    assert (cavity.n_slices, cavity.found_ml, cavity.expert_ml, cavity.dice) == (1, 1.0, 1.0, 0.5)


@pytest.mark.parametrize(("terminal", "display", "opened"), [(True, ":0", 1), (True, "", 0), (False, ":0", 0)])
def test_the_page_opens_only_before_somebody(
    terminal: bool, display: str, opened: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[str] = []
    monkeypatch.setattr(desktop.webbrowser, "open", lambda page: bool(pages.append(page) or True))
    monkeypatch.setattr(desktop.sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setattr(desktop.sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert desktop.show_page(tmp_path / "a b.html") is bool(opened)
    assert pages == [(tmp_path / "a b.html").as_uri()] * opened
