"""Self-contained HTML pages from templates: they open from disk, need no network and print."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from pipeline.core.files import write_text

__all__ = ["fill_template", "write_page"]

_ABSENT = "n/a"
_NOT_SHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
"""Controls, signs that turn the direction of writing, and halves of characters. Joiners belong to some scripts."""


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


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """One for all pages, since it keeps the templates that it has compiled."""
    environment = Environment(
        loader=PackageLoader(str(__package__)),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_without_controls,
    )
    environment.filters |= {
        "fixed": _format_fixed,
        "signed": _format_signed,
        "words": _words,
        "png": _png,
        "jpeg": _jpeg,
        "csp_hash": _csp_hash,
        "css_string": _css_string,
    }
    return environment


def _without_controls(value: Any) -> Any:
    r"""Text without characters that are not shown but change how others are, as a header's can hold.

    >>> _without_controls("a\x1b[31m\u202egnp.exe")
    'a[31mgnp.exe'
    """
    if not isinstance(value, str):
        return value
    return type(value)(_NOT_SHOWN.sub("", value))  # what is escaped already stays so


def _format_fixed(value: float | None, digits: int) -> str:
    return _ABSENT if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _format_signed(value: float | None, digits: int) -> str:
    return _ABSENT if value is None or math.isnan(value) else f"{value:+.{digits}f}"


def _csp_hash(text: str) -> str:
    """Source expression by which a content policy lets in one inline style or script, and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _css_string(text: str) -> Markup:
    r"""A CSS string of any text: whatever is no letter or digit is escaped by its code point.

    >>> print(_css_string('a"</style>'))
    "a\22 \3c \2f style\3e "
    """
    escaped = (c if c.isascii() and c.isalnum() else f"\\{ord(c):x} " for c in text if c != "\0")
    return Markup('"' + "".join(escaped) + '"')  # noqa: S704 escaped above


def _words(name: str) -> str:
    return name.replace("_", " ")


def _png(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _jpeg(data: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()
