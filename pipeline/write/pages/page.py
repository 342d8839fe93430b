"""Self-contained HTML pages from templates: they open from disk, need no network and print."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from pipeline.core.files import write_text

__all__ = ["fill_template", "write_page"]

_ABSENT = "n/a"


def write_page(path: Path, template: str, content: Mapping[str, Any]) -> Path:
    """Fill a template of `pipeline/write/pages/templates`. Whatever is inserted is escaped.

    Args:
        path: HTML to write. Parent folders are created.
        template: its file name.
        content: values of all names that the template uses. A missing one is an error.

    Returns:
        `path`.
    """
    write_text(path, fill_template(template, content))
    return path


def fill_template(template: str, content: Mapping[str, Any]) -> str:
    """Fill a template of `pipeline/write/pages/templates`; into HTML, whatever is inserted is escaped.

    Args:
        template: its file name.
        content: every name that the template uses; a missing one is an error.
    """
    return _environment().get_template(template).render(content)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(str(__package__)),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "fixed": _format_fixed,
        "signed": _format_signed,
        "words": _words,
        "png": _png,
        "jpeg": _jpeg,
    }
    return environment


def _format_fixed(value: float | None, digits: int) -> str:
    return _ABSENT if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _format_signed(value: float | None, digits: int) -> str:
    return _ABSENT if value is None or math.isnan(value) else f"{value:+.{digits}f}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _png(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _jpeg(data: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()
