"""Identifiers of the objects made from a study: the same content always gets the same, any other content another.

An archive tells objects apart by their UIDs alone. So a study that is segmented again by the same weights adds nothing
to its archive, and a corrected one adds new objects beside the old. A UID is a digest of what its object openly says:
its references to the images, the algorithm with the digest of its weights, the labels, the numbers. Only the moment of
writing is left out. Nothing can be learned from a UID that does not stand in the object itself; under a pseudonym
neither name nor PatientID goes into it, so it holds nothing on which names could be tried, and needs no key.
"""

from __future__ import annotations

import hashlib
import re
import uuid

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import RE_VALID_UID, UID

from pipeline.core.quiet import quiet_dicom

__all__ = ["UNNAMED", "derived_uid", "give_uids", "is_readable"]

_ROOT = uuid.UUID("d1f9b1b4-2f0c-5d0e-9f0b-6a0c52c3a7e1")
_NOT_CONTENT = frozenset(
    {
        *("SOPInstanceUID", "SeriesInstanceUID", "DimensionOrganizationUID"),  # what is made of the content
        *("InstanceCreationDate", "InstanceCreationTime", "ContentDate", "ContentTime"),  # when it was written
        "ContributionDateTime",
    }
)


def derived_uid(*parts: str) -> UID:
    """A UID that is always the same for the same parts (a UUID of version 5, as PS3.5 B.2 writes it).

    >>> derived_uid("a", "bc") == derived_uid("a", "bc") != derived_uid("ab", "c")
    True
    >>> derived_uid("a").is_valid
    True
    """
    digest = hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "surrogateescape"))
    return UID(f"2.25.{uuid.uuid5(_ROOT, digest.hexdigest()).int}")


UNNAMED = derived_uid("no content yet")
"""What an object is called until its content is known."""


def give_uids(made: Dataset) -> None:
    """Give an object its SOPInstanceUID and a series of its own, by its content, and those of its own within it."""
    digest = _content_digest(made)
    made.SOPInstanceUID = derived_uid("object", digest)
    made.SeriesInstanceUID = derived_uid("series", digest)
    organization = derived_uid("dimensions", digest)
    for item in _items(made):
        if "DimensionOrganizationUID" in item:
            item.DimensionOrganizationUID = organization
    meta = getattr(made, "file_meta", None)
    if meta is not None:
        meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID


def is_readable(uid: str) -> bool:
    """Whether every tool can read an object that names this UID in its content, as DCMTK does only if it is valid.

    >>> is_readable("1.2.840.1"), is_readable("1.2.0840.1"), is_readable("1." * 40 + "1"), is_readable("")
    (True, False, False, False)
    """
    return len(uid) <= 64 and re.match(RE_VALID_UID, uid) is not None


def _content_digest(made: Dataset) -> str:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    with quiet_dicom():
        write_dataset(buffer, _content(made))
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def _content(item: Dataset) -> Dataset:
    """A copy without what is no content, at any depth."""
    kept = Dataset()
    for element in item:
        if element.keyword in _NOT_CONTENT:
            continue
        if element.VR == "SQ":
            kept.add_new(element.tag, "SQ", [_content(each) for each in element.value])
        else:
            kept.add(element)
    return kept


def _items(made: Dataset) -> list[Dataset]:
    """The object, and every item within it."""
    below = [item for element in made if element.VR == "SQ" for each in element.value for item in _items(each)]
    return [made, *below]
