"""What the command line says of a segmented case."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pipeline.app.predict import CaseResult

__all__ = ["case_json", "case_line"]


def case_json(result: CaseResult) -> dict[str, Any]:
    """The result as one JSON-ready object."""
    return {key: str(value) if key == "folder" else value for key, value in asdict(result).items()}
