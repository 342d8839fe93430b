"""What single settings of a node may be."""

from __future__ import annotations

import ipaddress
import math
from urllib.parse import urlsplit

from pipeline.core.errors import ConfigError

__all__ = ["is_loopback", "require_ae_title", "require_port", "require_positive", "require_url"]

_AE_LENGTH = 16


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_ae_title(title: str) -> None:
    """Refuse what PS3.5 does not allow as an AE title."""
    if not (
        title.strip() and title.isascii() and title.isprintable() and "\\" not in title and len(title) <= _AE_LENGTH
    ):
        raise ConfigError(f"ae_title must be 1 to {_AE_LENGTH} ASCII characters without backslash, got {title!r}")


def require_port(port: int) -> None:
    """Refuse what is no port."""
    if not 0 <= port <= 65535:
        raise ConfigError(f"a port must be from 0 to 65535, got {port}")


def require_url(url: str) -> None:
    """Refuse what is no address of a server, and one with a password in it."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ConfigError("url must be http:// or https:// without a password in it, which belongs into password_env")


def require_positive(section: object, *names: str) -> None:
    """Refuse numbers that are not above 0, and those without an end."""
    for name in names:
        value = getattr(section, name)
        if not 0 < value < math.inf:
            raise ConfigError(f"{name} must be a number above 0, got {value}")
