"""Log messages of the command line."""

from __future__ import annotations

import logging

__all__ = ["log_to_stderr"]


def log_to_stderr(*, quiet: bool) -> None:
    """Send the library's own messages to the terminal, if `quiet` only errors, and only warnings of other libraries."""
    level = logging.ERROR if quiet else logging.INFO
    logging.basicConfig(level=level, format="%(message)s")
    for noisy in ("monai", "ignite", "torch", "pydicom", "highdicom"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
