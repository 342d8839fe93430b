"""The user's desktop, where there is one."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

__all__ = ["show_page"]


def show_page(page: Path) -> bool:
    """Open a page in the browser if someone sits before it: at a terminal, with windows.

    Returns:
        Whether it was opened.
    """
    windows = sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    if not (sys.stdout.isatty() and windows):  # else a text browser would take the terminal
        return False
    return webbrowser.open(page.resolve().as_uri())
