"""Send results to archives: C-STORE with storage commitment, or STOW-RS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from pydicom.dataset import Dataset
from pydicom.uid import (
    Comprehensive3DSRStorage,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SegmentationStorage,
)
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made when it is imported
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from pipeline.app.node.dicomweb import WebServer
from pipeline.app.node.outbox import Outbox
from pipeline.app.node.places import Destination
from pipeline.app.node.records import Made
from pipeline.app.node.tls import tls_context
from pipeline.core.errors import ConfigError

__all__ = ["DicomArchive", "NotReachedError", "RefusedError", "WebArchive", "archive_of", "note_commitment"]

_SENT_CLASSES = (SegmentationStorage, Comprehensive3DSRStorage, EncapsulatedPDFStorage)
_UNCOMPRESSED = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
_WARNINGS = frozenset({0xB000, 0xB006, 0xB007})
"""Statuses of C-STORE by which an object is stored all the same."""
_NOT_AUTHORIZED = 0x0124


class NotReachedError(Exception):
    """The destination did not answer, or has no time: try later."""


class RefusedError(Exception):
    """The destination does not take this object."""


class Connection(Protocol):
    """To an archive, while it is open."""

    def store(self, made: Dataset) -> None:
        """Store an object; raises `NotReachedError` or `RefusedError`."""

    def commit(self, objects: Sequence[Made], transaction: str) -> bool:
        """Ask to commit objects; says whether that was taken."""


class DicomArchive:
    """An application entity.

    Args:
        place: where it is.
        own_title: AE title of the node.
        outbox: told of commitments that are answered at once.

    Raises:
        ConfigError: a file of its encryption is not right.
    """

    def __init__(self, place: Destination, own_title: str, outbox: Outbox) -> None:
        self._place, self._own_title, self._outbox = place, own_title, outbox
        self.commits = place.commitment
        self._encryption()

    @contextmanager
    def connected(self) -> Iterator[_Associated]:
        """An association, as a `Connection`."""
        place, entity = self._place, AE(self._own_title)
        entity.connection_timeout = entity.acse_timeout = place.timeout_s
        entity.dimse_timeout = entity.network_timeout = place.timeout_s
        for class_uid in _SENT_CLASSES:
            entity.add_requested_context(class_uid, _UNCOMPRESSED)
        if place.commitment:
            entity.add_requested_context(StorageCommitmentPushModel)
        try:
            association = entity.associate(
                str(place.host),
                place.port,
                ae_title=str(place.ae_title),
                tls_args=self._encryption(),
                evt_handlers=[(evt.EVT_N_EVENT_REPORT, self._report)],
            )
        except (OSError, RuntimeError, ConfigError) as error:  # no such host, no thread to be had, a certificate gone
            raise NotReachedError(f"no connection can be made ({type(error).__name__})") from error
        if not association.is_established:
            raise NotReachedError("it refused the association" if association.is_rejected else "it cannot be reached")
        try:
            yield _Associated(association)
        finally:
            association.release()

    def _encryption(self) -> tuple[ssl.SSLContext, str] | None:
        """Read anew each time, since certificates are renewed."""
        place = self._place
        return None if place.tls is None else (tls_context(place.tls, server=False), str(place.host))

    def _report(self, event: evt.Event) -> tuple[int, None]:
        note_commitment(event.event_information, self._outbox)
        return 0x0000, None


class _Associated:
    """A `Connection` by an association."""

    def __init__(self, association: Association) -> None:
        self._association = association

    def store(self, made: Dataset) -> None:
        """Store an object by C-STORE."""
        try:
            status = self._association.send_c_store(made)
        except (
            ValueError,
            AttributeError,
            RuntimeError,
        ) as error:  # its class was not accepted, or the association is gone
            if not self._association.is_established:
                raise NotReachedError("the association ended") from error
            raise RefusedError(f"it does not take objects of the kind {made.SOPClassUID.name}") from error
        if "Status" not in status:
            raise NotReachedError("the association ended before an answer")
        code = int(status.Status)
        if code >> 8 == 0xA7 or code == _NOT_AUTHORIZED:
            raise NotReachedError(f"it takes nothing now (status 0x{code:04X})")
        if code and code not in _WARNINGS:
            raise RefusedError(f"it answered with status 0x{code:04X}")

    def commit(self, objects: Sequence[Made], transaction: str) -> bool:
        """Ask to commit objects, if the archive offers that."""
        if not any(cx.abstract_syntax == StorageCommitmentPushModel for cx in self._association.accepted_contexts):
            return False
        asked = Dataset()
        asked.TransactionUID, asked.ReferencedSOPSequence = transaction, [_reference(one) for one in objects]
        try:
            status, _ = self._association.send_n_action(
                asked, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
            )
        except (ValueError, RuntimeError):
            return False
        return "Status" in status and int(status.Status) == 0


class WebArchive:
    """A DICOMweb server.

    Args:
        place: where it is.
    """

    commits = False
    """STOW-RS has no commitment: what a server has answered for is stored."""

    def __init__(self, place: Destination) -> None:
        self._server = WebServer(place)

    @contextmanager
    def connected(self) -> Iterator[WebArchive]:
        """Itself: each request stands alone."""
        yield self

    def store(self, made: Dataset) -> None:
        """Store an object by STOW-RS."""
        refusal = self._server.store(made)
        if refusal is not None:
            raise NotReachedError(refusal.reason) if refusal.passes else RefusedError(refusal.reason)

    def commit(self, objects: Sequence[Made], transaction: str) -> bool:  # noqa: ARG002 as of `Connection`
        """None is asked for."""
        return False


def archive_of(place: Destination, own_title: str, outbox: Outbox) -> DicomArchive | WebArchive:
    """The archive at a destination."""
    return DicomArchive(place, own_title, outbox) if place.url is None else WebArchive(place)


def note_commitment(report: Dataset, outbox: Outbox) -> None:
    """Write down what an archive has committed, and what it does not have."""
    stored = [str(item.ReferencedSOPInstanceUID) for item in report.get("ReferencedSOPSequence") or ()]
    lost = [str(item.ReferencedSOPInstanceUID) for item in report.get("FailedSOPSequence") or ()]
    outbox.committed(str(report.TransactionUID), stored=stored, lost=lost)


def _reference(made: Made) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = made.class_uid, made.uid
    return item
