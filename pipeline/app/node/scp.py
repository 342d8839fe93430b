"""The node as others call it: C-ECHO, C-STORE of MR images, and the answers of archives that were asked to commit."""

from __future__ import annotations

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

from pipeline.app.node.connections import bound_connection, forget_held
from pipeline.app.node.intake import ACCEPTED, Answer, Intake, Pace
from pipeline.app.node.settings import NodeSettings
from pipeline.app.node.tls import begin_encryption, tls_context
from pipeline.core.errors import ConfigError

__all__ = ["Receiver"]

_SYNTAXES = [
    *(ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLosslessSV1, JPEGLossless, JPEGLSLossless, JPEG2000Lossless),
    *(RLELossless, JPEGLSNearLossless, JPEG2000, JPEGBaseline8Bit, JPEGExtended12Bit),
]
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
        titles = [*(caller.ae_title for caller in listen.callers), *partners]
        entity.require_calling_aet = [title.strip() for title in titles] or ["-"]  # an empty list lets anybody in
        entity.maximum_associations = limits.associations
        entity.network_timeout = entity.acse_timeout = entity.dimse_timeout = limits.idle_s
        entity.add_supported_context(Verification)
        entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        for class_uid in ACCEPTED:
            entity.add_supported_context(class_uid, _SYNTAXES)
        return entity

    def _bound(self, event: evt.Event) -> None:
        """Let a connection hold no more memory than an object may have, whatever lengths it announces.

        This is called in the connection's own thread, so only itself waits for its encryption to begin.
        """
        limits = self._settings.limits
        link: Any = event.assoc.dul.socket
        bound_connection(
            event.assoc,
            link,
            most_bytes=int(limits.instance_mb * 1e6),
            longest_s=limits.idle_s,
            tell_cut_off=lambda n_bytes: self._intake.journal.took(Answer.TOO_LARGE.name.lower(), n_bytes, ""),
        )
        too_many = self._server is not None and len(self._server.active_associations) > 4 * limits.associations
        if too_many or not begin_encryption(link.socket):
            link.close()

    def _store(self, event: evt.Event) -> int:
        forget_held(event.assoc)
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
        return any(known.is_caller(caller, address) for known in self._settings.listen.callers)

    def _report(self, event: evt.Event) -> tuple[int, None]:
        """An archive tells what it has committed."""
        try:
            self._committed(event.event_information)
        except Exception:  # noqa: BLE001 a report that cannot be read is the other side's
            return _EVENT_REFUSED, None
        return _EVENT_TAKEN, None
