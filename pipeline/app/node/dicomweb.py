"""A DICOMweb server: what it has (QIDO-RS), its objects (WADO-RS), and storing there (STOW-RS)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

import pydicom
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset

from pipeline.app.node.intake import ACCEPTED
from pipeline.app.node.places import Destination

__all__ = ["Refusal", "WebObject", "WebServer"]

_STUDY, _SERIES, _CLASS, _OBJECT, _N_OBJECTS = "0020000D", "0020000E", "00080016", "00080018", "00201208"
_OF_THE_OBJECT = frozenset({400, 409, 411, 413, 415, 422})
"""Statuses by which a server refuses this object, rather than all for now."""


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
        self._client = DICOMwebClient(
            str(place.url), session=_session(place), timeout=place.timeout_s, permissive_uid=True
        )
        self._client.set_http_retry_params(retry=False)  # the node itself tries again, later
        self._n_seen: dict[str, str] = {}

    def store(self, made: Dataset) -> Refusal | None:
        """Store an object; gives why not, if so."""
        try:
            answer = self._client.store_instances([made])
            failed = answer.get("FailedSOPSequence") or []
            reasons = [item.get("FailureReason") for item in failed]
        except requests.HTTPError as error:
            code = error.response.status_code if error.response is not None else 0
            return Refusal(f"it answered with HTTP status {code}", passes=code not in _OF_THE_OBJECT)
        except requests.ConnectionError:
            return Refusal("it cannot be reached", passes=True)
        except requests.RequestException as error:
            is_nonsense = isinstance(error, ValueError)
            return Refusal(f"it did not answer as it should ({type(error).__name__})", passes=not is_nonsense)
        except Exception as error:  # noqa: BLE001 an answer that is none raises whatever the client meets in it
            return Refusal(f"its answer cannot be read ({type(error).__name__})", passes=False)
        return Refusal(f"it failed with reason {reasons[0]}", passes=False) if reasons else None

    def images(self, *, days: int | None, today: date) -> Iterator[WebObject]:
        """MR images of studies that are so many days old at most; `None` is of all.

        A study that was gone through is passed over until it has another number of objects.

        Raises:
            requests.RequestException: the server does not answer.
        """
        wanted: dict[str, Any] = {"ModalitiesInStudy": "MR"}
        if days is not None:
            wanted["StudyDate"] = f"{today - timedelta(days=days):%Y%m%d}-{today:%Y%m%d}"
        search = partial(
            self._client.search_for_studies, search_filters=wanted, fields=["NumberOfStudyRelatedInstances"]
        )
        for study in _all(search, _STUDY):
            uid, n_objects = _first(study, _STUDY), _first(study, _N_OBJECTS)
            if n_objects and self._n_seen.get(uid) == n_objects:
                continue
            for found in _all(partial(self._client.search_for_instances, uid, fields=["SOPClassUID"]), _OBJECT):
                if _first(found, _CLASS) in ACCEPTED:
                    yield WebObject(uid, _first(found, _SERIES), _first(found, _OBJECT))
            self._n_seen[uid] = n_objects

    def look_again(self, studies: Iterable[str]) -> None:
        """Go through studies once more the next time, though they have not changed."""
        for uid in studies:
            self._n_seen.pop(uid, None)

    def get(self, one: WebObject) -> bytes:
        """An object as a DICOM file.

        Raises:
            requests.RequestException: the server does not answer, or does not give it.
        """
        found = self._client.retrieve_instance(one.study, one.series, one.uid)
        buffer = io.BytesIO()
        pydicom.dcmwrite(buffer, found, enforce_file_format=True)
        return buffer.getvalue()


def _session(place: Destination) -> requests.Session:
    """What the configuration says and nothing else: no proxy, password or certificate of the environment."""
    session = requests.Session()
    session.trust_env = False
    if place.user is not None:
        session.auth = (place.user, place.password() or "")
    if place.tls is not None:
        session.verify = str(place.tls.authorities)
        if place.tls.certificate is not None:
            session.cert = (str(place.tls.certificate), str(place.tls.key))
    return session


def _all(search: Callable[..., list[dict[str, Any]]], tag: str) -> Iterator[dict[str, Any]]:
    """All that a search finds, a page at a time, until nothing new comes: some servers give the first page always."""
    seen: set[str] = set()
    while True:
        page = {_first(found, tag): found for found in search(offset=len(seen))}
        new = {value: found for value, found in page.items() if value not in seen}
        if not new:
            return
        seen |= set(new)
        yield from new.values()


def _first(found: dict[str, Any], tag: str) -> str:
    """The value of an element in DICOM's JSON, empty where there is none."""
    values = found.get(tag, {}).get("Value") or [""]
    return str(values[0])
