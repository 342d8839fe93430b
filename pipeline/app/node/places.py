"""Where a node listens, and the archives it knows, as its configuration file states them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.app.node.setting_checks import (
    is_loopback,
    is_within,
    require_ae_title,
    require_network,
    require_port,
    require_positive,
    require_url,
)
from pipeline.core.errors import ConfigError

__all__ = ["Caller", "Destination", "Listen", "Source", "Tls"]


@dataclass(frozen=True)
class Tls:
    """Files for encrypted connections, in PEM.

    Attributes:
        authorities: who vouches for the others, whose certificates are asked for.
        certificate: ours; `None` shows none, which a destination may be content with.
        key: its private key.
    """

    authorities: Path
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ConfigError("tls must state both certificate and key, or neither")


@dataclass(frozen=True)
class Caller:
    """Who may send: an application entity, and the address or network (10.1.0.0/16) it must call from, if stated."""

    ae_title: str
    host: str | None = None

    def __post_init__(self) -> None:
        require_ae_title(self.ae_title)
        if self.host is not None:
            require_network(self.host)

    def is_caller(self, ae_title: str, address: str) -> bool:
        """Whether one who calls itself so, from there, is meant."""
        return self.ae_title.strip() == ae_title.strip() and (self.host is None or is_within(address, self.host))


@dataclass(frozen=True)
class Listen:
    """Where the node listens.

    Attributes:
        callers: who may send; nobody else.
        host: address; others than this machine's own need `tls` or `trust_network`.
        port: 0 takes a free one.
        ae_title: the node's.
        tls: encrypt, and ask for the callers' certificates.
        trust_network: let others on the network in without encryption.
        status_port: of health and metrics, on `status_host`; `None` serves none.
        status_host: address of health and metrics.
    """

    callers: tuple[Caller, ...] = ()
    host: str = "127.0.0.1"
    port: int = 11112
    ae_title: str = "CMR"
    tls: Tls | None = None
    trust_network: bool = False
    status_port: int | None = 8114
    status_host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        require_ae_title(self.ae_title)
        require_port(self.port)
        require_port(self.status_port or 0)
        if self.tls is not None and self.tls.certificate is None:
            raise ConfigError("tls must state certificate and key, which the callers ask for")
        if not (is_loopback(self.host) or self.tls or self.trust_network):
            raise ConfigError(
                f"{self.host} can be reached by others, and images would pass unencrypted; state tls, or "
                "trust_network: true if all who can reach it may see them"
            )


@dataclass(frozen=True)
class Destination:
    """Where results go: an application entity (`host`, `port`, `ae_title`), or a DICOMweb server (`url`).

    Attributes:
        host: of an application entity.
        port: likewise.
        ae_title: likewise.
        commitment: ask it to commit what it has stored, where it offers that.
        tls: encrypt.
        url: of a DICOMweb server.
        user: of a DICOMweb server.
        password_env: environment variable that holds the password.
        timeout_s: longest wait for an answer.
    """

    host: str | None = None
    port: int = 104
    ae_title: str | None = None
    commitment: bool = True
    tls: Tls | None = None
    url: str | None = None
    user: str | None = None
    password_env: str | None = None
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        if (self.url is None) == (self.host is None):
            raise ConfigError(
                "a destination must state either host, port and ae_title, or the url of a DICOMweb server"
            )
        if self.url is None:
            require_ae_title(self.ae_title or "")
            require_port(self.port)
        else:
            require_url(self.url, with_password=self.user is not None)
        require_positive(self, "timeout_s")

    def password(self) -> str | None:
        """The password, from the environment."""
        return None if self.password_env is None else os.environ.get(self.password_env)


@dataclass(frozen=True)
class Source:
    """A DICOMweb server that is asked for new studies.

    Attributes:
        server: name of a destination with a `url`.
        every_s: time between questions.
        days: how old a study may be by its StudyDate; `None` asks for all.
    """

    server: str
    every_s: float = 60.0
    days: int | None = 2

    def __post_init__(self) -> None:
        require_positive(self, "every_s")
        if self.days is not None and self.days < 0:
            raise ConfigError(f"days must be 0 or more, got {self.days}")
