"""Where the shipped files are said to lie; the wheel's place is tested in tests/test_wheel.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.core import shipped
from pipeline.core.errors import ConfigError


def test_a_checkout_has_all_of_them() -> None:
    shipped.require_checkout()
    assert (shipped.CONFIGS / "recipes.yaml").is_file()
    assert (shipped.SAMPLE / "link.csv").is_file()
    assert list(shipped.BUNDLES.glob("*/configs/inference.json"))


def test_elsewhere_bundles_are_not_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "CONFIGS", tmp_path)
    with pytest.raises(ConfigError, match="can be changed in a checkout"):
        shipped.require_checkout()
