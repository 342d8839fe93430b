"""The notebook runs from top to bottom, and what it imports is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.docs.blocks import Block, check_python
from tools.docs.commands import ROOT

NOTEBOOK = ROOT / "docs/notebooks/study.ipynb"


def test_what_it_imports_is_there_and_its_outputs_are_small() -> None:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    for text in code:
        check_python(Block(NOTEBOOK.name, 1, "python", text.replace("%config", "# %config")))
    assert len(code) > 5
    assert NOTEBOOK.stat().st_size < 300_000


@pytest.mark.documented
@pytest.mark.filterwarnings("ignore")  # Jupyter's own
def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nbclient", reason="needs the extra docs")
    from tools.docs.notebook import run_notebook

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    outputs = [output for cell in run_notebook(tmp_path).cells for output in cell.get("outputs", [])]
    assert sum("image/jpeg" in output.get("data", {}) for output in outputs) == 2
    assert "without slice" in outputs[-1]["text"]
