"""What single settings of a node may be."""

from __future__ import annotations

import ipaddress
import math
from urllib.parse import urlsplit

from pipeline.core.errors import ConfigError

__all__ = [
    "is_loopback",
    "is_within",
    "require_ae_title",
    "require_network",
    "require_port",
    "require_positive",
    "require_url",
]

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


def is_within(address: str, network: str) -> bool:
    """Whether an address is of a network, or the one meant.

    >>> is_within("10.1.2.3", "10.1.0.0/16"), is_within("::ffff:10.1.2.3", "10.1.2.3")
    (True, True)
    >>> is_within("10.9.2.3", "10.1.2.3")
    False
    """
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found) in ipaddress.ip_network(network, strict=False)


def require_network(network: str) -> None:
    """Refuse what is no IP address or network: names would have to be asked for at each call."""
    try:
        ipaddress.ip_network(network, strict=False)
    except ValueError as error:
        raise ConfigError(
            f"host of a caller must be an IP address, or a network as 10.1.0.0/16, got {network!r}"
        ) from error


def require_url(url: str, *, with_password: bool) -> None:
    """Refuse what is no address of a server, one with a password in it, and one that would get it unencrypted."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ConfigError("url must be http:// or https:// without a password in it, which belongs into password_env")
    if with_password and parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ConfigError(f"the password of {parts.hostname} would pass unencrypted; its url must be https://")


def require_positive(section: object, *names: str) -> None:
    """Refuse numbers that are not above 0, and those without an end."""
    for name in names:
        value = getattr(section, name)
        if not 0 < value < math.inf:
            raise ConfigError(f"{name} must be a number above 0, got {value}")
