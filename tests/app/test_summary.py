"""What the command line says of a case."""

from __future__ import annotations

from pathlib import Path

from pipeline.app.summary import measured_line
from pipeline.core.measurements import Measurements


def test_one_phase_has_volumes_and_no_function() -> None:
    measured = Measurements("single_phase", 1, 9, (1.5, 1.5, 8.0), {"left_ventricle": [81.25]})
    line = measured_line("one", measured, Path("out"))
    assert "left_ventricle 81.2 ml" in line
    assert "one phase" in line
