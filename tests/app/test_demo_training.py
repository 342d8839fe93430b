"""The demonstration, shrunk: through the whole way, its table set beside the truth."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.app.demo_training import DEMO_SETTINGS, run_training_demo


@pytest.mark.slow
def test_training_demo_ends_in_a_table_and_a_picture(tmp_path: Path) -> None:
    quick = {**DEMO_SETTINGS, "network_def#channels": [4, 8, 16, 32], "epochs": 1, "val_interval": 1}
    settings = {**quick, "window": [64, 64], "spacing_mm": [5.0, 5.0, -1]}
    table = run_training_demo(tmp_path, n_train=2, n_held_out=1, settings=settings)
    assert table.startswith("Synthetic studies, not patients. Not for diagnosis.")
    assert "LV EF, %" in table
    assert "truth" in table
    assert (tmp_path / "phantom1000.png").read_bytes().startswith(b"\x89PNG")
