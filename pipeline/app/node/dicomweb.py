"""A DICOMweb server: what it has (QIDO-RS), its objects (WADO-RS), and storing there (STOW-RS)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pydicom
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset
from requests.adapters import HTTPAdapter

from pipeline.app.node.intake import ACCEPTED
from pipeline.app.node.places import Destination

__all__ = ["Refusal", "WebObject", "WebServer"]

_STUDY, _SERIES, _CLASS, _OBJECT = "0020000D", "0020000E", "00080016", "00080018"


@dataclass(frozen=True)
class Refusal:
    """Why a server did not take an object, and whether that may pass."""

    reason: str
    passes: bool


@dataclass(frozen=True)
class WebObject:
    """An object of a server: UIDs of its study, its series and itself."""

    study: str
    series: str
    uid: str


class WebServer:
    """A DICOMweb server.

    Args:
        place: where it is.
    """

    def __init__(self, place: Destination) -> None:
        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Timed(place.timeout_s))
        if place.user is not None:
            session.auth = (place.user, place.password() or "")
        self._client = DICOMwebClient(str(place.url), session=session)
        self._client.set_http_retry_params(retry=False)  # the node itself tries again, later

    def store(self, made: Dataset) -> Refusal | None:
        """Store an object; gives why not, if so."""
        try:
            answer = self._client.store_instances([made])
        except requests.HTTPError as error:
            code = error.response.status_code if error.response is not None else 0
            return Refusal(f"it answered with HTTP status {code}", passes=code in (408, 429) or code >= 500)
        except requests.RequestException:
            return Refusal("it cannot be reached", passes=True)
        failed = answer.get("FailedSOPSequence") or []
        return Refusal(f"it failed with reason {failed[0].get('FailureReason')}", passes=False) if failed else None

    def images(self, *, days: int | None, today: date) -> Iterator[WebObject]:
        """MR images of studies that are so many days old at most; `None` is of all.

        Raises:
            requests.RequestException: the server does not answer.
        """
        wanted: dict[str, Any] = {"ModalitiesInStudy": "MR"}
        if days is not None:
            wanted["StudyDate"] = f"{today - timedelta(days=days):%Y%m%d}-{today:%Y%m%d}"
        for study in self._client.search_for_studies(search_filters=wanted):
            for found in self._client.search_for_instances(_first(study, _STUDY), fields=["SOPClassUID"]):
                if _first(found, _CLASS) in ACCEPTED:
                    yield WebObject(_first(study, _STUDY), _first(found, _SERIES), _first(found, _OBJECT))

    def get(self, one: WebObject) -> bytes:
        """An object as a DICOM file.

        Raises:
            requests.RequestException: the server does not answer, or does not give it.
        """
        found = self._client.retrieve_instance(one.study, one.series, one.uid)
        buffer = io.BytesIO()
        pydicom.dcmwrite(buffer, found, enforce_file_format=True)
        return buffer.getvalue()


class _Timed(HTTPAdapter):
    """Waits only so long for a server; `requests` would wait for ever."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self._timeout_s = timeout_s

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        return super().send(*args, **{**kwargs, "timeout": self._timeout_s})


def _first(found: dict[str, Any], tag: str) -> str:
    """The value of an element in DICOM's JSON, empty where there is none."""
    values = found.get(tag, {}).get("Value") or [""]
    return str(values[0])
