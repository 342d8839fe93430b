"""What the command line says of a segmented case."""

from __future__ import annotations

from typing import Any

from pipeline.app.predict import CaseResult

__all__ = ["case_json", "case_line"]
