"""Where the files lie that come with the library: bundles, the layers they are rendered from, a sample study.

In a checkout these are its top-level folders. A wheel has them in the package, as `pipeline/shipped`.
"""

from __future__ import annotations

from pathlib import Path

import pipeline
from pipeline.core.errors import ConfigError

__all__ = ["BUNDLES", "CONFIGS", "SAMPLE", "require_checkout"]

_PACKAGE = Path(pipeline.__file__).parent
_INSTALLED = _PACKAGE / "shipped"
_ROOT = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent

BUNDLES = _ROOT / "bundles"
"""Folder of the shipped bundles."""
CONFIGS = _ROOT / "configs"
"""Where the layers they are rendered from lie."""
SAMPLE = _ROOT / "sample"
"""A real study with experts' contours, in Sunnybrook's layout; see its README."""


def require_checkout() -> None:
    """Refuse to change the bundles that lie in an installed package.

    Raises:
        ConfigError: this library is not a checkout.
    """
    if _ROOT == _INSTALLED or not (CONFIGS / "recipes.yaml").is_file():
        raise ConfigError(
            f"the shipped bundles can be changed in a checkout (`pip install -e .`), this is an installed package "
            f"[{_PACKAGE}]"
        )
