"""Compatibility of a bundle with this version of the library."""

from __future__ import annotations

import pipeline
from pipeline.core.errors import BundleError

__all__ = ["require"]


def require(version: str) -> None:
    """Refuse a bundle that was rendered for another version of the library.

    Args:
        version: the version the bundle was rendered with (patch releases may differ).

    Raises:
        BundleError: major or minor version differ.

    >>> require(pipeline.__version__)
    """
    if version.split(".")[:2] != pipeline.__version__.split(".")[:2]:
        raise BundleError(
            f"the bundle needs version {version} of cardiac-mr-pipeline, this is {pipeline.__version__}: "
            "install that version, or render the bundle again with `make bundles`"
        )
