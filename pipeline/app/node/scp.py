"""The node as others call it: C-ECHO, C-STORE of MR images, and the answers of archives that were asked to commit."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import (
    JPEG2000,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pynetdicom import AE, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made when it is imported
    StorageCommitmentPushModel,
    Verification,
)
from pynetdicom.transport import ThreadedAssociationServer

from pipeline.app.node.intake import ACCEPTED, Answer, Intake, Pace
from pipeline.app.node.places import Caller, Tls
from pipeline.app.node.settings import NodeSettings
from pipeline.core.errors import ConfigError

__all__ = ["Receiver", "tls_context"]

_SYNTAXES = [
    *(ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLosslessSV1, JPEGLossless, JPEGLSLossless, JPEG2000Lossless),
    *(RLELossless, JPEGLSNearLossless, JPEG2000, JPEGBaseline8Bit, JPEGExtended12Bit),
]
_LARGEST_PDU_BYTES = 1 << 20
"""No client sends larger ones: those we offer are 16 kB, and association requests are a few kB."""
_OF_MESSAGE = 1 << 16
"""Room for what surrounds an object."""
_EVENT_TAKEN, _EVENT_REFUSED = 0x0000, 0x0110

Committed = Callable[[Dataset], None]


class Receiver:
    """Listens. Within its context it is called by others; at the end no association is left.

    Args:
        settings: of the node.
        intake: keeps what comes.
        committed: is given each report of a storage commitment.
    """

    def __init__(self, settings: NodeSettings, intake: Intake, committed: Committed) -> None:
        self._settings, self._intake, self._committed = settings, intake, committed
        self._pace = Pace(settings.limits.instances_per_s)
        self._server: ThreadedAssociationServer | None = None

    def __enter__(self) -> Receiver:
        listen, entity = self._settings.listen, self._entity()
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, self._bound),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_ECHO, lambda _: 0x0000),
            (evt.EVT_N_EVENT_REPORT, self._report),
        ]
        context = None if listen.tls is None else tls_context(listen.tls, server=True)
        try:
            self._server = entity.start_server(
                (listen.host, listen.port), block=False, ssl_context=context, evt_handlers=handlers
            )
        except OSError as error:
            raise ConfigError(
                f"the node cannot listen on {listen.host}, port {listen.port}: {error.strerror}"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            for association in list(self._server.active_associations):
                association.abort()
            self._server.shutdown()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        assert self._server is not None
        return int(self._server.server_address[1])

    @property
    def is_alive(self) -> bool:
        """Whether it listens."""
        return self._server is not None and any(
            thread.is_alive() for thread in threading.enumerate() if thread.name.startswith("AcceptorServer")
        )

    def _entity(self) -> AE:
        listen, limits = self._settings.listen, self._settings.limits
        entity = AE(listen.ae_title)
        entity.require_called_aet = True
        partners = [place.ae_title for place in self._settings.destinations.values() if place.ae_title]
        entity.require_calling_aet = [*(caller.ae_title for caller in listen.callers), *partners] or ["-"]
        entity.maximum_associations = limits.associations
        entity.network_timeout = entity.acse_timeout = entity.dimse_timeout = limits.idle_s
        entity.add_supported_context(Verification)
        entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        for class_uid in ACCEPTED:
            entity.add_supported_context(class_uid, _SYNTAXES)
        return entity

    def _bound(self, event: evt.Event) -> None:
        """Let a connection hold no more memory than an object may have, whatever lengths it announces."""
        most = int(self._settings.limits.instance_mb * 1e6) + _OF_MESSAGE
        socket: Any = event.assoc.dul.socket
        read, held = socket.recv, _Held(event.assoc, most)

        def recv(n_bytes: int) -> bytearray:
            if n_bytes > _LARGEST_PDU_BYTES or not held.add(n_bytes):
                raise OSError("a caller announced more than is taken")
            return read(n_bytes)

        socket.recv = recv

    def _store(self, event: evt.Event) -> int:
        association: Any = event.assoc
        association.held_bytes = 0
        caller = str(event.assoc.requestor.ae_title).strip()
        if not self._may_send(caller, str(event.assoc.requestor.address)):
            self._intake.journal.took(Answer.NOT_ALLOWED.name.lower(), 0, "")
            return Answer.NOT_ALLOWED.value
        wait_s = self._pace.wait_s(caller)
        if wait_s is None or self._intake.ends.wait(wait_s):
            return Answer.TOO_FAST.value
        request: Any = event.request
        content = event.encoded_dataset()
        stated = {"class_uid": str(request.AffectedSOPClassUID), "uid": str(request.AffectedSOPInstanceUID)}
        return self._intake.take(content, caller=caller, **stated).value

    def _may_send(self, caller: str, address: str) -> bool:
        return any(_is(known, caller, address) for known in self._settings.listen.callers)

    def _report(self, event: evt.Event) -> tuple[int, None]:
        """An archive tells what it has committed."""
        try:
            self._committed(event.event_information)
        except Exception:  # noqa: BLE001 a report that cannot be read is the other side's
            return _EVENT_REFUSED, None
        return _EVENT_TAKEN, None


class _Held:
    """Counts what an association has sent since its last object was taken."""

    def __init__(self, association: Any, most: int) -> None:
        self._association, self._most = association, most
        association.held_bytes = 0

    def add(self, n_bytes: int) -> bool:
        self._association.held_bytes += n_bytes
        return bool(self._association.held_bytes <= self._most)


def tls_context(tls: Tls, *, server: bool) -> ssl.SSLContext:
    """Encryption in which both sides show a certificate.

    Raises:
        ConfigError: a file is not there, or not what it should be.
    """
    purpose = ssl.Purpose.CLIENT_AUTH if server else ssl.Purpose.SERVER_AUTH
    try:
        context = ssl.create_default_context(purpose, cafile=str(tls.authorities))
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"tls needs certificate, key and authorities as PEM files: {error}") from error
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _is(known: Caller, caller: str, address: str) -> bool:
    return known.ae_title == caller and known.host in (None, address)
